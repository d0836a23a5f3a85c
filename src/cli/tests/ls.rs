//! `sockhop ls` on networks without sockets. What it shows of real ones is shown by scripts/real-run.sh.

mod common;

use std::fs;

use common::{refusal, stdout, Place};

#[test]
fn networks_are_listed_in_both_forms() {
    let place = Place::new();
    for name in ["green", "blue"] {
        assert!(place.sockhop(["run", "--net", name, "true"]).status().unwrap().success());
    }
    let table = stdout(&place.sockhop(["ls"]).output().unwrap());
    let first: Vec<_> = table.lines().map(|line| line.split_whitespace().next().unwrap()).collect();
    assert_eq!(first, ["NETWORK", "blue", "green"]);

    let json: serde_json::Value =
        serde_json::from_slice(&place.sockhop(["ls", "--json"]).output().unwrap().stdout).unwrap();
    assert_eq!(json[0]["network"], "blue");
    assert_eq!(json[1]["directory"], place.base().join("green").to_str().unwrap());

    let one = stdout(&place.sockhop(["ls", "--net", "green"]).output().unwrap());
    assert!(one.contains("green") && !one.contains("blue"), "{one}");
}

#[test]
fn nothing_there_is_an_empty_list_but_a_name_must_exist() {
    let place = Place::new();
    let run = place.sockhop(["ls", "--json"]).output().unwrap();
    assert_eq!((stdout(&run).as_str(), run.status.code()), ("[]\n", Some(0)));
    assert!(!place.base().exists(), "looking must not make anything");
    let run = place.sockhop(["ls", "--net", "red"]).output().unwrap();
    assert!(refusal(&run, 1).contains("there is no network \"red\""));
    fs::write(place.base(), "").unwrap();
    let run = place.sockhop(["ls"]).output().unwrap();
    assert!(refusal(&run, 1).contains("Not a directory"));
}
