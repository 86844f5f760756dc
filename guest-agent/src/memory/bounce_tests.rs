use proptest::prelude::*;

use super::*;

const PAGES: u64 = PAGE;

fn chunk() -> Chunk {
    Chunk::new(1).unwrap()
}

#[test]
fn gaps_are_taken_again() {
    let mut chunk = chunk();
    let a = chunk.take(PAGES + 1).unwrap();
    let b = chunk.take(1).unwrap();
    let c = chunk.take(CHUNK - 3 * PAGES).unwrap();
    assert_eq!((a.clone(), b.clone(), c.end), (0..2 * PAGES, 2 * PAGES..3 * PAGES, CHUNK));
    assert!(chunk.take(1).is_none());
    chunk.give_back(&a);
    assert!(chunk.take(3 * PAGES).is_none());
    assert_eq!(chunk.take(1), Some(0..PAGES));
    chunk.give_back(&b);
    assert_eq!(chunk.take(2 * PAGES), Some(PAGES..3 * PAGES));
}

#[test]
fn rows_of_damage() {
    assert_eq!(rows(&[]), 0..0);
    assert_eq!(rows(&[Rect::new(5, 7, 1, 2), Rect::new(0, 20, 9, 1)]), 7..21);
    assert_eq!(rows(&[Rect::new(0, -5, 9, 7)]), 0..2);
    assert_eq!(rows(&[Rect::new(0, i32::MAX, 9, i32::MAX)]), i32::MAX as u32..i32::MAX as u32);
    assert_eq!(hull(&(0..0), &(4..9)), 4..9);
    assert_eq!(hull(&(2..3), &(4..9)), 2..9);
}

#[test]
fn what_the_source_does_not_have_is_zeros() {
    let (from, to) = (chunk(), chunk());
    pwrite(&to.file, &[9; 100], 0).unwrap();
    let short = memfd_create("short", MemfdFlags::CLOEXEC).unwrap();
    pwrite(&short, &[7; 40], 0).unwrap();
    copy(&short, 10, &to.file, 5, 60).unwrap();
    let mut got = [1; 100];
    pread(&to.file, &mut got, 0).unwrap();
    assert_eq!(&got[..5], &[9; 5]);
    assert_eq!(&got[5..35], &[7; 30]);
    assert_eq!(&got[35..65], &[0; 30]);
    assert_eq!(&got[65..], &[9; 35]);
    copy(&from.file, 0, &to.file, 0, CHUNK).unwrap();
}

proptest! {
    #[test]
    fn places_never_overlap(steps in proptest::collection::vec((any::<bool>(), 1u64..3_000_000), 1..60)) {
        let mut chunk = chunk();
        let mut held: Vec<Bytes> = Vec::new();
        for (take, n) in steps {
            if take {
                if let Some(place) = chunk.take(n) {
                    prop_assert!(place.end - place.start >= n && place.end <= CHUNK);
                    prop_assert!(held.iter().all(|h| h.end <= place.start || place.end <= h.start));
                    held.push(place);
                } else {
                    // Refused only if there is no gap: walk over all of them.
                    let need = n.next_multiple_of(PAGE);
                    let mut ends: Vec<_> = held.clone();
                    ends.sort_by_key(|h| h.start);
                    let mut at = 0;
                    for h in &ends {
                        prop_assert!(h.start - at < need);
                        at = h.end;
                    }
                    prop_assert!(CHUNK - at < need);
                }
            } else if !held.is_empty() {
                let place = held.swap_remove(n as usize % held.len());
                chunk.give_back(&place);
            }
        }
    }
}
