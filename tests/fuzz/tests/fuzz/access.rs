//! What decides who gets in: tokens, an issuer's keys, tickets, token requests, the configuration.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::Signer;
use hmac::{Hmac, KeyInit, Mac};
use proptest::prelude::*;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use sha2::Sha256;
use syncsphere_coordinator_core::{Config, VARIABLES};
use syncsphere_fuzz::{
    CANARY, SHARED_SECRET, START_MS, World, foreign, issuer_key, mutated, proptest_config, seeds, vars,
};
use syncsphere_protocol::WorkspaceId;

/// Signs whatever is given as each kind of issuer would: the outside ones by key and by secret.
fn tokens(header: &[u8], claims: &[u8]) -> [String; 2] {
    let message = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(claims)
    );
    let mut mac = Hmac::<Sha256>::new_from_slice(SHARED_SECRET.as_bytes()).unwrap();
    mac.update(message.as_bytes());
    [
        URL_SAFE_NO_PAD.encode(issuer_key().sign(message.as_bytes()).to_bytes()),
        URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()),
    ]
    .map(|signature| format!("{message}.{signature}"))
}

/// Asks for the list of files with this token; whether it was let in.
fn is_let_in<S: syncsphere_fuzz::StorageStub>(world: &World<S>, token: &[u8]) -> bool {
    let bearer = [b"Bearer ", token].concat();
    let reply = world.try_send("GET", "/v1/files", &[("authorization", &bearer)], b"");
    let status = reply.map_or(401, |reply| reply.status);
    assert!([200, 401, 403, 503].contains(&status), "{status}");
    // What tells a bad token from one that may not read is whether it was known at all.
    status == 200 || status == 403
}

/// A JSON object's members as they stand there, doubled ones too.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Members;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Members, M::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(All)
    }
}

impl Members {
    fn of(bytes: &[u8]) -> Self {
        serde_json::from_slice(bytes).expect("what is let in is an object")
    }

    /// The one member of this name.
    fn only(&self, name: &str) -> Option<&Value> {
        let mut found = self.0.iter().filter(|(known, _)| known == name);
        let first = found.next();
        assert!(found.next().is_none(), "{name} stands there twice");
        first.map(|(_, value)| value)
    }
}

/// What an independent reader makes of claims that were let in.
fn assert_claims_allow(claims: &[u8]) {
    let claims = Members::of(claims);
    let text = |name| claims.only(name).and_then(Value::as_str).unwrap_or_default();
    let now = START_MS / 1000;
    assert!(["https://id.test", "backend"].contains(&text("iss")));
    let audience = claims.only("aud").unwrap();
    let names = audience.as_array().cloned().unwrap_or(vec![audience.clone()]);
    assert!(names.contains(&"syncsphere".into()));
    assert!((1..=255).contains(&text("sub").len()));
    assert!(text("workspace").parse::<WorkspaceId>().is_ok());
    assert!(claims.only("scope").unwrap().is_string());
    assert!(claims.only("exp").unwrap().as_i64().unwrap() > now - 60);
    assert!(
        claims
            .only("nbf")
            .is_none_or(|nbf| nbf.is_null() || nbf.as_i64().unwrap() <= now + 60)
    );
    for limit in ["maxFileSize", "maxBytes"] {
        assert!(
            claims
                .only(limit)
                .is_none_or(|limit| limit.is_null() || limit.is_u64())
        );
    }
}

/// The same of a header.
fn assert_header_allows(header: &[u8]) {
    let header = Members::of(header);
    assert!(header.only("crit").is_none_or(Value::is_null));
    let alg = header.only("alg").and_then(Value::as_str).unwrap();
    assert!(["EdDSA", "HS256"].contains(&alg));
    header.only("kid");
}

#[test]
fn the_corpus_is_read_as_it_is() {
    let world = World::honest();
    for header in seeds("headers") {
        for claims in seeds("claims") {
            for token in tokens(&header, &claims) {
                if is_let_in(&world, token.as_bytes()) {
                    assert_claims_allow(&claims);
                    assert_header_allows(&header);
                }
            }
        }
    }
    for form in seeds("form") {
        world.send("POST", "/v1/auth/token", &[], &form);
    }
}

#[test]
fn the_right_tokens_are_let_in() {
    let world = World::honest();
    let let_in = |header: &[u8], claims: usize| {
        tokens(header, &seeds("claims")[claims]).map(|token| is_let_in(&world, token.as_bytes()))
    };
    // outside.json, own.json, shared.json
    assert_eq!(let_in(br#"{"alg":"EdDSA","kid":"k"}"#, 0), [true, false]);
    assert_eq!(let_in(br#"{"alg":"EdDSA","kid":"k"}"#, 1), [false, false]);
    assert_eq!(let_in(br#"{"alg":"HS256"}"#, 2), [false, true]);
}

proptest! {
    #![proptest_config(proptest_config(300))]

    #[test]
    fn a_token_is_let_in_only_as_it_was_signed(
        header in mutated(seeds("headers")), claims in mutated(seeds("claims")), sound in 0..3_u8,
    ) {
        let world = World::honest();
        // One of the two stays as it should be, or hardly anything would get far.
        let header = if sound == 0 { br#"{"alg":"EdDSA","kid":"k"}"#.to_vec() } else { header };
        let header = if sound == 1 { br#"{"alg":"HS256"}"#.to_vec() } else { header };
        for token in tokens(&header, &claims) {
            if is_let_in(&world, token.as_bytes()) {
                assert_claims_allow(&claims);
                assert_header_allows(&header);
            }
        }
        prop_assert!(world.fetches() <= 1);
    }

    #[test]
    fn damage_to_a_signed_token_lets_nobody_in(which in 0..3_usize, damaged in any::<prop::sample::Index>(), bytes in prop::collection::vec(any::<u8>(), 0..4)) {
        let world = World::honest();
        let claims = seeds("claims");
        let valid = [
            tokens(br#"{"alg":"EdDSA","kid":"k"}"#, &claims[0])[0].clone(),
            tokens(br#"{"alg":"HS256"}"#, &claims[2])[1].clone(),
            world.token.clone(),
        ];
        let valid = valid[which].as_bytes();
        prop_assert!(is_let_in(&world, valid));
        let at = damaged.index(valid.len());
        let mut token = valid.to_vec();
        token.splice(at..(at + 1).min(valid.len()), bytes);
        // A header's value may have spaces at its ends.
        prop_assert!(token.trim_ascii() == valid || !is_let_in(&world, &token));
    }

    #[test]
    fn bytes_of_no_origin_are_no_token(token in prop::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(!is_let_in(&World::honest(), &token));
    }

    #[test]
    fn a_key_set_lets_in_by_the_keys_that_stand_in_it(document in foreign(key_sets())) {
        let world = World::honest();
        world.publish(document.clone());
        let [token, _] = tokens(br#"{"alg":"EdDSA","kid":"k"}"#, &seeds("claims")[0]);
        if is_let_in(&world, token.as_bytes()) {
            let document: Value = serde_json::from_slice(&document).expect("a key set is JSON");
            let keys = document["keys"].as_array().expect("a key set has keys");
            prop_assert!(keys.iter().any(|key| key["x"] == public_x().as_str() && key["kid"] == "k" && key["d"].is_null()));
        }
        prop_assert_eq!(world.fetches(), 1);
    }

    #[test]
    fn a_ticket_opens_only_as_it_was_sealed(
        at in any::<prop::sample::Index>(), length in 0..40_usize, bytes in prop::collection::vec(any::<u8>(), 0..4),
        invented in "[ -~]{0,200}",
    ) {
        let world = World::honest();
        let grant = world.open();
        let ticket = grant["ticket"].as_str().unwrap();
        let sign = |ticket: &str| {
            let body = serde_json::json!({"ticket": ticket, "parts": [{"partNumber": 1}]}).to_string();
            world.ask("POST", &format!("/v1/uploads/{}/parts", grant["uploadId"].as_str().unwrap()), body.as_bytes()).status
        };
        prop_assert_eq!(sign(ticket), 200);
        let mut damaged = ticket.as_bytes().to_vec();
        let from = at.index(damaged.len());
        let to = (from + length).min(damaged.len());
        damaged.splice(from..to, bytes);
        let damaged = String::from_utf8_lossy(&damaged);
        prop_assert!(damaged == ticket || sign(&damaged) == 400);
        prop_assert_eq!(sign(&invented), 400);
    }

    #[test]
    fn a_token_request_gives_a_token_or_says_why_not(form in foreign(seeds("form"))) {
        let world = World::honest();
        let reply = world.send("POST", "/v1/auth/token", &[], &form);
        match reply.status {
            200 => {
                prop_assert!(is_let_in(&world, reply.json["access_token"].as_str().unwrap().as_bytes()));
                let workspace = reply.json["workspace"].as_str().unwrap();
                prop_assert!(workspace.parse::<WorkspaceId>().is_ok());
            }
            400 | 401 => prop_assert!(reply.json["error"].is_string() || reply.problem.is_some()),
            other => prop_assert!(false, "{other}"),
        }
    }

    #[test]
    fn a_configuration_is_taken_whole_or_complained_of_without_its_values(
        issuers in foreign(seeds("issuers")), clients in foreign(seeds("clients")), which in 0..3_u8,
        name in prop::sample::select(VARIABLES), value in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut vars = vars();
        match which {
            0 => vars.insert("AUTH_ISSUERS".to_owned(), String::from_utf8_lossy(&issuers).into_owned()),
            1 => vars.insert("AUTH_CLIENTS".to_owned(), String::from_utf8_lossy(&clients).into_owned()),
            _ => vars.insert(name.to_owned(), CANARY.to_owned() + &String::from_utf8_lossy(&value)),
        };
        for further in Config::further_variables(&vars) {
            prop_assert!(further.starts_with("AUTH_ISSUER_SECRET_"));
        }
        match Config::from_vars(&vars) {
            Ok(config) => {
                let auth = format!("{:?}", (&config.auth.keys, &config.auth.clients, &config.auth.external_issuers));
                prop_assert!(!auth.contains(CANARY), "{auth}");
            }
            Err(error) => {
                prop_assert!(VARIABLES.contains(&error.variable));
                prop_assert!(!error.to_string().contains(CANARY));
            }
        }
    }
}

fn public_x() -> String {
    URL_SAFE_NO_PAD.encode(issuer_key().verifying_key())
}

/// The key sets of the corpus with the issuer's key in them.
fn key_sets() -> Vec<Vec<u8>> {
    let documents = seeds("keys").into_iter();
    documents
        .map(|document| {
            String::from_utf8(document)
                .unwrap()
                .replace("PUBLIC", &public_x())
                .into_bytes()
        })
        .collect()
}

#[test]
fn the_corpus_of_key_sets_lets_in_by_the_public_one_alone() {
    let let_in: Vec<_> = key_sets()
        .into_iter()
        .map(|document| {
            let world = World::honest();
            world.publish(document);
            let [token, _] = tokens(br#"{"alg":"EdDSA","kid":"k"}"#, &seeds("claims")[0]);
            is_let_in(&world, token.as_bytes())
        })
        .collect();
    // all-kinds.json, one.json, page.html, private.json
    assert_eq!(let_in, [true, true, false, false]);
}
