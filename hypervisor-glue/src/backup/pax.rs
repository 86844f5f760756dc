//! Records of extended headers (POSIX.1-2001, `pax`): `LENGTH KEY=VALUE\n`. A value may hold any byte.

/// Appends a record.
pub(super) fn push(records: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    // The length counts its own digits.
    let rest = key.len() + value.len() + 3;
    let mut digits = 1;
    while (rest + digits).to_string().len() > digits {
        digits += 1;
    }
    records.extend_from_slice(format!("{} ", rest + digits).as_bytes());
    records.extend_from_slice(key);
    records.push(b'=');
    records.extend_from_slice(value);
    records.push(b'\n');
}

/// Takes the first record off: its key and its value. `None` if there is no whole one.
pub(super) fn take<'a>(untrusted_records: &mut &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    let space = untrusted_records.iter().take(20).position(|byte| *byte == b' ')?;
    let length: usize = number(untrusted_records.get(..space)?)?.try_into().ok()?;
    let (record, rest) = untrusted_records.split_at_checked(length)?;
    let (b'\n', text) = record.get(space + 1..)?.split_last()? else { return None };
    let equals = text.iter().position(|byte| *byte == b'=')?;
    *untrusted_records = rest;
    Some((&text[..equals], &text[equals + 1..]))
}

/// A number in digits, without a sign or anything else.
pub(super) fn number(untrusted_digits: &[u8]) -> Option<u64> {
    let digits = untrusted_digits.iter().all(u8::is_ascii_digit) && !untrusted_digits.is_empty();
    digits.then(|| std::str::from_utf8(untrusted_digits).ok()?.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lengths_count_themselves() {
        let mut records = Vec::new();
        // 98 bytes without the digits: two of them make it a hundred, which has three.
        push(&mut records, b"path", &[b'x'; 91]);
        assert!(records.starts_with(b"101 path=") && records.len() == 101);
        records.clear();
        push(&mut records, b"k", b"");
        assert_eq!(records, b"5 k=\n");
    }

    #[test]
    fn what_is_no_record_is_none() {
        let bad: [&[u8]; 8] = [b"", b"5 k=", b"5 k=x", b"6 k=\n", b"x k=\n", b" k=\n", b"2 \n", b"+5 k=\n"];
        for bad in bad {
            assert_eq!(take(&mut &bad[..]), None, "{bad:?}");
        }
        assert_eq!(take(&mut &b"99999999999999999999 k=\n"[..]), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            pairs in proptest::collection::vec(("[a-zA-Z.]{1,20}", proptest::collection::vec(any::<u8>(), 0..120)), 0..5),
        ) {
            let mut records = Vec::new();
            for (key, value) in &pairs {
                push(&mut records, key.as_bytes(), value);
            }
            let mut left = &records[..];
            for (key, value) in &pairs {
                prop_assert_eq!(take(&mut left), Some((key.as_bytes(), &value[..])));
            }
            prop_assert!(left.is_empty());
        }

        #[test]
        fn any_bytes_are_records_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut left = &bytes[..];
            while take(&mut left).is_some() {}
        }
    }
}
