use proptest::prelude::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

const ID: &str = "0123456789abcdef0123456789abcdef";
/// 2026-11-28T23:59:59Z
const BEGUN_MS: i64 = 1_795_910_399_000;

fn key_of(template: &str, path: &str, name: &str, owner: &str) -> String {
    let template = KeyTemplate::new("", template).unwrap();
    template.key(&KeyParts {
        workspace: &"demo".parse().unwrap(),
        file_id: &ID.parse().unwrap(),
        name,
        path,
        owner,
        begun_ms: BEGUN_MS,
    })
}

fn named(name: &str) -> String {
    key_of("{fileId}/{name}", "", name, "o").replacen(ID, "f1", 1)
}

#[test]
fn keys_are_safe_and_say_what_they_are() {
    assert_eq!(named("film.mov"), "f1/film.mov");
    assert_eq!(named("..hidden file?.txt"), "f1/hidden_file_.txt");
    assert_eq!(named("..."), "f1/file");
    assert_eq!(named("映画"), "f1/__");
    assert!(named(&format!("{}.mov", "x".repeat(250))).ends_with("x.mov"));
}

#[test]
fn a_template_says_where_files_lie() {
    let template = "media/{workspace}/{date}/{owner}/{path}/{fileId}/v-{name}";
    assert_eq!(
        key_of(template, "raw/ü ber/..", "a.mov", "user|7@x"),
        format!("media/demo/2026-11-28/user_7_x/raw/__ber/_/{ID}/v-a.mov")
    );
    assert_eq!(
        key_of(template, "", "a.mov", ".."),
        format!("media/demo/2026-11-28/nobody/{ID}/v-a.mov")
    );
    assert_eq!(
        KeyTemplate::new("/a/b/", DEFAULT_KEY_TEMPLATE),
        "a/b/{workspace}/{fileId}/{name}".parse()
    );
}

#[test]
fn a_key_tells_whose_it_is_where_the_template_does() {
    for template in [
        DEFAULT_KEY_TEMPLATE,
        "x/{workspace}/{date}/{path}/{fileId}/{owner}-{name}",
        "{path}/{workspace}/{fileId}",
    ] {
        for path in ["", "a", "a/b/c"] {
            let key = key_of(template, path, "n.txt", "o");
            let (workspace, file) = template.parse::<KeyTemplate>().unwrap().parse(&key).unwrap();
            assert_eq!((workspace.as_str(), file.as_str()), ("demo", ID), "{key}");
        }
    }
    let template: KeyTemplate = "p/{workspace}/{fileId}/{name}".parse().unwrap();
    for foreign in [
        "",
        "p/demo",
        &format!("q/demo/{ID}/n"),
        &format!("p/demo/{ID}/n/m"),
        &format!("p/demo/{ID}/"),
        "p/demo/0190/n",
        &format!("demo/{ID}/n"),
    ] {
        assert_eq!(template.parse(foreign), None, "{foreign}");
    }
    let anonymous: KeyTemplate = "all/{fileId}".parse().unwrap();
    assert_eq!(anonymous.parse(&format!("all/{ID}")), None);
}

#[test]
fn a_template_that_could_overwrite_or_fold_is_refused() {
    for bad in [
        "",
        "{workspace}/{name}",
        "{fileId}/{fileId}",
        "/{fileId}",
        "{fileId}/",
        "../{fileId}",
        "a/./{fileId}",
        "a//{fileId}",
        "{workspace}-{fileId}",
        "{fileId}/{path}/{path}",
        "{fileId}/{key}",
        "{fileId}/{name",
        "{fileId}/a}b",
        "{fileId}/a b",
        "{fileId}/ü",
        &format!("{}/{{fileId}}", "x".repeat(1000)),
    ] {
        assert!(bad.parse::<KeyTemplate>().is_err(), "{bad}");
    }
    assert!(KeyTemplate::new("{name}", DEFAULT_KEY_TEMPLATE).is_err());
}

proptest! {
    #[test]
    fn every_file_has_a_key_that_urls_keep(
        name in "\\PC{1,255}", path in "(\\PC{1,60}/){0,9}\\PC{1,60}", owner in "\\PC{0,255}", prefix in "[a-z]{0,300}",
    ) {
        let template = KeyTemplate::new(&prefix, "{workspace}/{date}/{owner}/{path}/{fileId}/{name}").unwrap();
        let key = template.key(&KeyParts {
            workspace: &"demo".parse().unwrap(),
            file_id: &ID.parse().unwrap(),
            name: &name,
            path: &path,
            owner: &owner,
            begun_ms: BEGUN_MS,
        });
        prop_assert!(key.len() <= MAX_KEY);
        prop_assert!(key.split('/').all(|segment| !segment.is_empty() && !segment.starts_with('.')));
        prop_assert!(key.bytes().all(|b| is_plain(b) || b == b'/'));
        let (workspace, file) = template.parse(&key).unwrap();
        prop_assert_eq!((workspace.as_str(), file.as_str()), ("demo", ID));
    }
}
