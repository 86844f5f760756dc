//! From the markup of a notification's body to plain text.
//!
//! The Desktop Notifications Specification knows `b`, `i`, `u`, `a` and `img`; programs also send `br`, `p` and
//! `span`. Whatever else stands between angle brackets is text: many programs do not escape theirs.

/// Tags that are taken out.
const TAGS: [&str; 8] = ["b", "i", "u", "a", "img", "br", "p", "span"];
/// Longest tag that is looked for, in bytes.
const LONGEST: usize = 512;

/// The body without markup, of at most so many bytes, without zero bytes.
pub(super) fn plain(body: &str, most: usize) -> String {
    let mut out = String::new();
    let mut rest = body;
    while let Some(at) = rest.find(['<', '&', '\0']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if out.len() > most {
            break;
        }
        let taken = match rest.as_bytes()[0] {
            b'<' => tag(rest, &mut out),
            b'&' => entity(rest, &mut out),
            _ => None,
        };
        if taken.is_none() {
            out.push(if rest.starts_with('\0') { ' ' } else { char::from(rest.as_bytes()[0]) });
        }
        rest = &rest[taken.unwrap_or(1)..];
    }
    out.push_str(rest);
    out.truncate(out.floor_char_boundary(most));
    out
}

/// Takes a tag away; `None` if there is none. Returns its length.
fn tag(rest: &str, out: &mut String) -> Option<usize> {
    let near = &rest[..rest.floor_char_boundary(LONGEST)];
    let end = near.find('>')?;
    let inside = near[1..end].trim_start_matches('/');
    let name: String = inside.chars().take_while(char::is_ascii_alphanumeric).collect();
    let name = name.to_ascii_lowercase();
    if !TAGS.contains(&name.as_str())
        || !inside[name.len()..].starts_with([' ', '/', '\t', '\n']) && inside.len() > name.len()
    {
        return None;
    }
    match name.as_str() {
        "img" => {
            let alt = inside.split_once("alt=\"").and_then(|(_, alt)| alt.split_once('"'));
            if let Some((alt, _)) = alt {
                out.push_str(alt);
            }
        }
        "br" | "p" => out.push(' '),
        _ => {}
    }
    Some(end + 1)
}

/// Puts down what an entity stands for; `None` if it is none. Returns its length.
fn entity(rest: &str, out: &mut String) -> Option<usize> {
    let near = &rest[..rest.floor_char_boundary(12)];
    let end = near.find(';')?;
    let meant = match &near[1..end] {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        number => {
            let number = number.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code).filter(|c| *c != '\0')?
        }
    };
    out.push(meant);
    Some(end + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn markup_goes_and_text_stays() {
        for (body, text) in [
            ("plain", "plain"),
            ("<b>Ada</b> &amp; <i>Bob</i>", "Ada & Bob"),
            ("a<br/>b<BR>c", "a b c"),
            ("see <a href=\"https://x.example/?a=1&amp;b\">this</a>", "see this"),
            ("<img src=\"/etc/passwd\" alt=\"a cat\"/>", "a cat"),
            ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
            ("<body> <bank>", "<body> <bank>"),
            ("R&D &nothing; &#65;&#x42; &#0; &#xd800;", "R&D &nothing; AB &#0; &#xd800;"),
            // What an entity makes is not looked at again.
            ("&lt;b&gt;bold&lt;/b&gt;", "<b>bold</b>"),
            ("a\0b", "a b"),
            ("ends <b", "ends <b"),
        ] {
            assert_eq!(plain(body, 100), text, "{body}");
        }
        assert_eq!(plain("ääää", 5), "ää");
    }

    proptest! {
        #[test]
        fn whatever_comes_is_cut_and_has_no_zero(body in "([<>&;/a-z#\"= \0ä]|<b>|&#x?){0,80}", most in 0usize..60) {
            let text = plain(&body, most);
            prop_assert!(text.len() <= most && !text.contains('\0'));
        }
    }
}
