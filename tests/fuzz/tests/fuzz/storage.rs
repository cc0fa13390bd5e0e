//! What storage answers, which may be anything: it is another's machine.

use std::cell::{Cell, RefCell};

use http::{Request, Response};
use proptest::prelude::*;
use syncsphere_coordinator_core::StorageFailure;
use syncsphere_fuzz::{HonestStorage, PART, StorageStub, World, foreign, proptest_config, seeds};

/// Answers honestly but for one kind of request.
#[derive(Default)]
struct Liar {
    lie: RefCell<Option<Lie>>,
    /// Requests since the lie was told of.
    asked: Cell<u32>,
    /// Paths of what was to be removed.
    removed: RefCell<Vec<String>>,
}

#[derive(Debug, Clone)]
struct Lie {
    about: About,
    status: u16,
    body: Vec<u8>,
    headers: Vec<(&'static str, Vec<u8>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum About {
    Create,
    Parts,
    Complete,
    Head,
    Abort,
    Uploads,
}

impl About {
    fn of(request: &Request<Vec<u8>>) -> Self {
        let is_create = request
            .uri()
            .query()
            .is_some_and(|query| query.contains("uploads"));
        match request.method().as_str() {
            "POST" if is_create => Self::Create,
            "POST" => Self::Complete,
            "GET" if is_create => Self::Uploads,
            "GET" => Self::Parts,
            "HEAD" => Self::Head,
            _ => Self::Abort,
        }
    }
}

impl StorageStub for Liar {
    fn answer(&self, request: &Request<Vec<u8>>) -> Result<Response<Vec<u8>>, StorageFailure> {
        self.asked.set(self.asked.get() + 1);
        if request.method() == "DELETE" {
            self.removed.borrow_mut().push(request.uri().path().to_owned());
        }
        let lie = self.lie.borrow();
        let Some(lie) = lie.as_ref().filter(|lie| lie.about == About::of(request)) else {
            return HonestStorage.answer(request);
        };
        let mut response = Response::builder().status(lie.status);
        for (name, value) in &lie.headers {
            response = response.header(*name, value.as_slice());
        }
        // A header that is none is a broken connection.
        response
            .body(lie.body.clone())
            .map_err(|_| StorageFailure::Unreachable)
    }
}

/// Opens, asks for the state, completes and gives up an upload while storage lies. Whether the file was announced.
fn live_through(lie: Lie) -> bool {
    let world = World::with(Liar::default());
    let before = (lie.about == About::Create).then(|| lie.clone());
    *world.storage().lie.borrow_mut() = before;
    let grant = world.open();
    let Some(id) = grant["uploadId"].as_str() else {
        return false;
    };
    if lie.about == About::Create {
        let ticket = serde_json::json!({"ticket": grant["ticket"], "parts": [{"partNumber": 1}]});
        let signed = world.ask(
            "POST",
            &format!("/v1/uploads/{id}/parts"),
            ticket.to_string().as_bytes(),
        );
        assert_eq!(signed.status, 200, "what is granted can be signed");
        let url: http::Uri = signed.json["urls"][0]["url"].as_str().unwrap().parse().unwrap();
        assert_eq!(url.host(), Some("s3.test"));
        return false;
    }
    *world.storage().lie.borrow_mut() = Some(lie.clone());
    world.storage().asked.set(0);
    world.ask("GET", &format!("/v1/uploads/{id}"), b"");
    let body = serde_json::json!({"ticket": grant["ticket"]}).to_string();
    let completed = world.ask("POST", &format!("/v1/uploads/{id}/complete"), body.as_bytes());
    assert!(
        world.storage().asked.get() <= 60,
        "{} requests",
        world.storage().asked.get()
    );
    let changes = world.ask("GET", "/v1/changes", b"");
    let kinds: Vec<_> = changes.json["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| change["kind"].as_str().unwrap().to_owned())
        .collect();
    let is_announced = kinds.contains(&"file.available".to_owned());
    assert_eq!(completed.status == 200, is_announced, "{kinds:?} {completed:?}");
    if is_announced {
        let length = lie.headers.iter().find(|(name, _)| *name == "content-length");
        if let Some((_, length)) = length.filter(|_| lie.about == About::Head) {
            let length = std::str::from_utf8(length).unwrap().trim();
            assert_eq!(
                length.parse(),
                Ok(PART + 1),
                "a file of another length is announced"
            );
        }
        assert!(
            !(lie.about == About::Head && lie.status >= 300),
            "nothing is there"
        );
    }
    let given_up = world.ask("DELETE", &format!("/v1/uploads/{id}"), b"");
    if given_up.status == 200 {
        let expected = if is_announced { "available" } else { "aborted" };
        assert_eq!(given_up.json["status"], expected);
    }
    is_announced
}

/// Looks for orphans while storage lists whatever it likes; gives what was listed, orphan, and aborted.
fn look_for_orphans(lie: Lie) -> Option<(usize, usize, usize)> {
    let world = World::with(Liar::default());
    // Of a workspace that never had an upload nothing is a orphan.
    world.open();
    *world.storage().lie.borrow_mut() = Some(lie);
    world.storage().asked.set(0);
    let found = world.look_for_orphans();
    if let Some((listed, orphans, aborted)) = found {
        assert!(orphans <= listed && aborted <= orphans);
        // A page of them, listed up to three times, and a request for each.
        assert!(world.storage().asked.get() <= 3 + u32::try_from(aborted + 1).unwrap());
    }
    for path in world.storage().removed.borrow().iter() {
        let segments: Vec<_> = path.split('/').collect();
        assert_eq!((segments.len(), segments[1]), (5, "uploads"), "{path}");
        let id = segments[3];
        assert!(
            id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()),
            "a key that is not ours: {path}"
        );
    }
    found
}

fn lie(about: About, target: &str) -> impl Strategy<Value = Lie> {
    let statuses = prop_oneof![4 => Just(200_u16), 1 => Just(404), 1 => Just(503), 1 => 200..600_u16];
    let bodies = prop_oneof![3 => foreign(seeds(target)), 1 => foreign(seeds("failed"))];
    (statuses, bodies).prop_map(move |(status, body)| Lie {
        about,
        status,
        body,
        headers: vec![],
    })
}

/// Headers of a `HEAD`, each as it should be or not.
fn head() -> impl Strategy<Value = Lie> {
    let length = prop_oneof![
        2 => Just(format!("{}", PART + 1)),
        1 => Just(format!("+{}", PART + 1)),
        1 => "[0-9]{1,25}|-1|1e3|0x10|",
    ];
    let checksum = prop_oneof![Just("L/E4WYn8v98=".to_owned()), "[A-Za-z0-9+/=]{0,16}"];
    let etag =
        prop_oneof![3 => Just(b"\"whole-2\"".to_vec()), 1 => prop::collection::vec(any::<u8>(), 0..300)];
    let status = prop_oneof![4 => Just(200_u16), 1 => Just(404), 1 => 200..600_u16];
    (status, length, checksum, etag, any::<bool>()).prop_map(|(status, length, checksum, etag, checked)| {
        let mut headers = vec![("content-length", length.into_bytes()), ("etag", etag)];
        if checked {
            headers.push(("x-amz-checksum-crc64nvme", checksum.into_bytes()));
        }
        Lie {
            about: About::Head,
            status,
            body: Vec::new(),
            headers,
        }
    })
}

#[test]
fn the_corpus_is_lived_through() {
    for (about, target) in [
        (About::Create, "created"),
        (About::Parts, "listed-parts"),
        (About::Complete, "completed"),
        (About::Abort, "failed"),
        (About::Parts, "listed-uploads"),
    ] {
        for body in seeds(target).into_iter().chain(seeds("failed")) {
            for status in [200, 400, 404, 503] {
                live_through(Lie {
                    about,
                    status,
                    body: body.clone(),
                    headers: vec![],
                });
            }
        }
    }
}

#[test]
fn the_truth_is_believed() {
    let told = |about, body: &[u8], headers| Lie {
        about,
        status: 200,
        body: body.to_vec(),
        headers,
    };
    let head = |length: u64| {
        let length = length.to_string().into_bytes();
        vec![("content-length", length), ("etag", b"\"e\"".to_vec())]
    };
    assert!(live_through(told(About::Head, b"", head(PART + 1))));
    assert!(!live_through(told(About::Head, b"", head(PART))));
    // aws.xml, error-under-200.xml
    let completed: Vec<_> = seeds("completed");
    assert!(live_through(told(About::Complete, &completed[0], vec![])));
    assert!(!live_through(told(About::Complete, &completed[1], vec![])));
    // truncated.xml, twice.xml, two.xml
    let listed: Vec<_> = seeds("listed-parts")
        .iter()
        .map(|body| live_through(told(About::Parts, body, vec![])))
        .collect();
    assert_eq!(listed, [false, false, true]);
}

#[test]
fn the_corpus_of_listed_uploads_holds_one_that_is_nobodys() {
    let found: Vec<_> = seeds("listed-uploads")
        .into_iter()
        .map(|body| {
            look_for_orphans(Lie {
                about: About::Uploads,
                status: 200,
                body,
                headers: vec![],
            })
        })
        .collect();
    // four.xml, two.xml
    assert_eq!(found, [Some((4, 1, 1)), Some((2, 0, 0))]);
}

proptest! {
    #![proptest_config(proptest_config(200))]

    #[test]
    fn whatever_uploads_are_said_to_be_there(lie in lie(About::Uploads, "listed-uploads")) {
        look_for_orphans(lie);
    }

    #[test]
    fn whatever_is_said_to_be_created(lie in lie(About::Create, "created")) {
        live_through(lie);
    }

    #[test]
    fn whatever_parts_are_said_to_be_there(lie in lie(About::Parts, "listed-parts")) {
        live_through(lie);
    }

    #[test]
    fn whatever_comes_of_completing(lie in lie(About::Complete, "completed")) {
        live_through(lie);
    }

    #[test]
    fn whatever_comes_of_giving_up(lie in lie(About::Abort, "failed")) {
        live_through(lie);
    }

    #[test]
    fn whatever_an_object_is_said_to_be(lie in head()) {
        live_through(lie);
    }
}
