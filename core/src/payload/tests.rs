use proptest::prelude::*;
use std::collections::BTreeMap;

use super::walk::{self, PairAt};
use super::*;

fn pair(key: &str, value: &[u8]) -> Vec<u8> {
    let mut pair = begin_pair(key, value.len());
    pair.extend_from_slice(value);
    pair
}

impl Payload {
    fn edited_by<'a>(&self, edits: impl IntoIterator<Item = Edit<'a>>) -> Payload {
        self.edited(edits.into_iter()).into()
    }
}

fn set<'a>(key: &'a str, pair: &'a [u8]) -> Edit<'a> {
    Edit {
        key: key.as_bytes(),
        pair: Some(pair),
    }
}

fn encoded<T: serde::Serialize + ?Sized>(value: &T) -> Vec<u8> {
    rmp_serde::to_vec_named(value).unwrap()
}

fn decoded(payload: &Payload) -> BTreeMap<String, u32> {
    rmp_serde::from_slice(payload.as_bytes()).unwrap()
}

#[test]
fn a_changed_value_keeps_its_place_and_a_new_key_comes_last() {
    let [a, b, c] = [pair("a", &[1]), pair("b", &[2]), pair("c", &[3])];
    let payload = Payload::empty().edited_by([set("a", &a), set("b", &b), set("c", &c)]);
    assert_eq!(payload.keys().collect::<Vec<_>>(), ["a", "b", "c"]);

    let [b, d] = [pair("b", &encoded(&70_000)), pair("d", &[4])];
    let payload = payload.edited_by([
        set("d", &d),
        set("b", &b),
        Edit {
            key: b"a",
            pair: None,
        },
    ]);
    assert_eq!(payload.keys().collect::<Vec<_>>(), ["b", "c", "d"]);
    assert_eq!(
        decoded(&payload),
        [("b", 70_000), ("c", 3), ("d", 4)]
            .map(|(k, v)| (k.to_owned(), v))
            .into()
    );
}

#[test]
fn removing_what_is_not_there_changes_nothing() {
    let payload = Payload::empty().edited_by([set("a", &pair("a", &[1]))]);
    assert_eq!(
        payload.edited_by([Edit {
            key: b"b",
            pair: None
        }]),
        payload
    );
}

#[test]
fn a_map_of_any_size_has_the_shortest_header() {
    for (count, header) in [(15, 1), (16, 3), (65_535, 3), (65_536, 5)] {
        let pairs: Vec<_> = (0..count)
            .map(|n| (n.to_string(), pair(&n.to_string(), &[7])))
            .collect();
        let edits: Vec<_> = pairs.iter().map(|(key, pair)| set(key, pair)).collect();
        let payload = Payload::empty().edited_by(edits);
        assert_eq!(map_header(payload.as_bytes()), Some((count as u32, header)));
        assert_eq!(payload.keys().count(), count);
        let (last, _) = pairs.last().unwrap();
        assert_eq!(payload.find(last), Some(&[7][..]));
        let one_less = payload.edited_by([Edit {
            key: b"3",
            pair: None,
        }]);
        assert_eq!(one_less.keys().count(), count - 1);
    }
}

#[test]
fn what_this_program_does_not_know_goes_back_byte_for_byte() {
    // {1: nil, "t": timestamp 32, "x": ext 5, nil: [bin, {"deep": NaN}]}
    let foreign = [
        &[
            0x84, 0x01, 0xc0, 0xa1, b't', 0xd6, 0xff, 1, 2, 3, 4, 0xa1, b'x', 0xc7, 1, 5, 9, 0xc0,
        ][..],
        &[
            0x92, 0xc4, 2, 0xff, 0x00, 0x81, 0xa4, b'd', b'e', b'e', b'p', 0xcb,
        ],
        &f64::NAN.to_be_bytes(),
    ]
    .concat();
    let payload = Payload::at_end_of(foreign.clone().into(), 0).unwrap();
    assert_eq!(payload.keys().collect::<Vec<_>>(), ["t", "x"]);
    let edited = payload.edited_by([set("new", &pair("new", &[1]))]);
    assert_eq!(edited.as_bytes()[1..foreign.len()], foreign[1..]);
    assert_eq!(
        edited
            .edited_by([Edit {
                key: b"new",
                pair: None
            }])
            .as_bytes(),
        foreign
    );
}

#[test]
fn nesting_of_any_depth_is_walked_over() {
    let mut deep = vec![0x82, 0xa1, b'd'];
    deep.extend(std::iter::repeat_n(0x91, 100_000));
    deep.extend([0xc0, 0xa1, b'e', 0x05]);
    let payload = Payload::at_end_of(deep.into(), 0).unwrap();
    assert_eq!(payload.find("e"), Some(&[5][..]));
}

proptest! {
    #[test]
    fn edits_do_what_a_map_does(
        start in prop::collection::btree_map("[a-e]{1,2}", any::<u32>(), 0..8),
        edits in prop::collection::btree_map("[a-e]{1,3}", any::<Option<u32>>(), 0..90),
    ) {
        let payload = Payload::at_end_of(encoded(&start).into(), 0).unwrap();
        let pairs: Vec<_> = edits.iter().map(|(key, value)| (key, value.map(|v| pair(key, &encoded(&v))))).collect();
        let list: Vec<_> = pairs.iter().map(|(key, pair)| Edit { key: key.as_bytes(), pair: pair.as_deref() }).collect();
        let mut expected = start;
        for (key, value) in &edits {
            match value {
                Some(value) => expected.insert(key.clone(), *value),
                None => expected.remove(key),
            };
        }
        let edited = payload.edited_by(list);
        prop_assert_eq!(decoded(&edited), expected.clone());
        for (key, value) in expected {
            prop_assert_eq!(edited.find(&key).unwrap(), encoded(&value));
        }
    }

    /// Runs of pairs that are alike, and what interrupts them; whole, cut off and damaged.
    #[test]
    fn a_key_is_found_in_a_large_map_where_a_walk_would_find_it(
        runs in prop::collection::vec(("[a-c]{0,2}", 0..5_usize, 1..60_u32), 0..6),
        cut in any::<prop::sample::Index>(),
        damage in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
        wanted in "[a-c]{0,2}[0-5][0-9]",
    ) {
        let long = "x".repeat(40);
        let values = [vec![7], encoded(&70_000_u32), encoded("short"), encoded(long.as_str()), vec![0x91, 0xc0]];
        let pairs: Vec<_> = runs
            .iter()
            .flat_map(|(prefix, value, count)| {
                let value = &values[*value];
                (0..*count).map(move |n| pair(&format!("{prefix}{n:02}"), value))
            })
            .collect();
        let [high, low] = (pairs.len() as u16).to_be_bytes();
        let mut map = [vec![0xde, high, low], pairs.concat()].concat();
        if let Some((at, byte)) = damage {
            let at = at.index(map.len());
            map[at] = byte;
        }
        let place = |pair: PairAt| (pair.start, pair.value);
        for map in [&map[..], &map[..cut.index(map.len())]] {
            let walked = Pairs::of(map).find(|pair| pair.is(wanted.as_bytes(), map));
            prop_assert_eq!(
                walk::find(map, wanted.as_bytes()).map(place),
                walked.map(place)
            );
        }
    }

    #[test]
    fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        if let Some(payload) = Payload::at_end_of(bytes.into(), 0) {
            let _ = payload.keys().count();
            let _ = payload.find("a");
            let _ = payload.edited_by([set("a", &[0xa1, b'a', 1]), Edit { key: b"b", pair: None }]);
        }
    }
}
