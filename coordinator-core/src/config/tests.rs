use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// As in `wrangler.toml`.
const DEVELOPMENT_KEY: &str = "c3luY3NwaGVyZSBkZXZlbG9wbWVudCBrZXkgMDAwMDE=";
const ANOTHER_KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

fn config(more: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let usual = [
        ("S3_ENDPOINT", "https://s3.test"),
        ("S3_BUCKET", "uploads"),
        ("S3_ACCESS_KEY_ID", "id"),
        ("S3_SECRET_ACCESS_KEY", "secret"),
        ("AUTH_SIGNING_KEY", ANOTHER_KEY),
    ];
    let vars = usual.iter().chain(more);
    let vars = vars.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::from_vars(&vars.collect())
}

#[test]
fn the_development_key_is_taken_at_this_machine_alone() {
    let rotated = format!("{ANOTHER_KEY},{DEVELOPMENT_KEY}");
    for keys in [DEVELOPMENT_KEY, &rotated] {
        let config = config(&[("AUTH_SIGNING_KEY", keys)]).unwrap();
        let is_taken = |uri: &str| config.check_address(&uri.parse().unwrap()).is_ok();
        for here in [
            "http://localhost:8787/v1/files",
            "http://127.0.0.1/",
            "http://127.9.9.9:1/",
            "http://[::1]:8787/",
            "https://demo.localhost/",
        ] {
            assert!(is_taken(here), "{here}");
        }
        for elsewhere in [
            "https://uploads.example.com/healthz",
            "https://coordinator.account.workers.dev/",
            "http://192.168.0.2:8787/",
            "http://localhost.example.com/",
            "http://127.0.0.1.example.com/",
            "http://0.0.0.0:8787/",
        ] {
            assert!(!is_taken(elsewhere), "{elsewhere}");
        }
        let error = config
            .check_address(&"https://a.example/".parse().unwrap())
            .unwrap_err();
        assert_eq!(error.variable, "AUTH_SIGNING_KEY");
        assert!(!error.to_string().contains(DEVELOPMENT_KEY));
    }
    let another = config(&[]).unwrap();
    assert!(
        another
            .check_address(&"https://a.example/".parse().unwrap())
            .is_ok()
    );
}

#[test]
fn the_free_plan_is_a_number_of_requests() {
    assert_eq!(config(&[]).unwrap().storage_requests(), 996);
    assert_eq!(
        config(&[("SUBREQUEST_LIMIT", "50")]).unwrap().storage_requests(),
        46
    );
    for wrong in ["29", "-1", "many", "10000001"] {
        let error = config(&[("SUBREQUEST_LIMIT", wrong)]).unwrap_err();
        assert_eq!(error.variable, "SUBREQUEST_LIMIT", "{wrong}");
    }
}

#[test]
fn a_variable_is_read_by_its_former_name_where_the_new_one_is_not_set() {
    let read = |more: &[(&str, &str)]| {
        let config = config(more).unwrap();
        (config.orphan_uploads, config.orphan_age.as_secs())
    };
    assert_eq!(read(&[]), (OrphanUploads::Abort, DEFAULT_ORPHAN_AGE_SECONDS));
    let former = [("STRAY_UPLOADS", "report"), ("STRAY_AGE_SECONDS", "7")];
    let new = [("ORPHAN_UPLOADS", "off"), ("ORPHAN_AGE_SECONDS", "8")];
    assert_eq!(read(&former), (OrphanUploads::Report, 7));
    assert_eq!(read(&new), (OrphanUploads::Off, 8));
    assert_eq!(read(&[former, new].concat()), (OrphanUploads::Off, 8));
    let empty = [("ORPHAN_UPLOADS", " "), ("STRAY_UPLOADS", "report")];
    assert_eq!(read(&empty).0, OrphanUploads::Report);
    // Shells read the variables that are named here, and no others.
    for (name, _) in former.iter().chain(&new) {
        assert!(VARIABLES.contains(name), "{name}");
    }
}

#[test]
fn the_name_that_was_read_is_the_one_complained_of() {
    let wrong = |more: &[(&str, &str)]| config(more).unwrap_err().variable;
    assert_eq!(wrong(&[("STRAY_UPLOADS", "delete")]), "STRAY_UPLOADS");
    assert_eq!(wrong(&[("ORPHAN_UPLOADS", "delete")]), "ORPHAN_UPLOADS");
    let both = [("ORPHAN_AGE_SECONDS", "0"), ("STRAY_AGE_SECONDS", "7")];
    assert_eq!(wrong(&both), "ORPHAN_AGE_SECONDS");
}

#[test]
fn where_files_lie_is_checked_at_the_start() {
    assert_eq!(
        config(&[("S3_PREFIX", "apps/media/")]).unwrap().key_template,
        KeyTemplate::new("", "apps/media/{workspace}/{fileId}/{name}").unwrap()
    );
    for (variable, value) in [
        ("S3_KEY_TEMPLATE", "{workspace}/{name}"),
        ("S3_KEY_TEMPLATE", "{fileId}/{key}"),
        ("S3_PREFIX", "a b"),
        ("S3_PREFIX", "../a"),
        ("S3_OBJECT_HEADERS", "x-amz-acl: private"),
        ("S3_OBJECT_HEADERS", "{\"content-length\":\"1\"}"),
        ("S3_SESSION_TOKEN", "a b"),
        ("S3_ENDPOINT", "https://s3.test/a b"),
        ("DOWNLOAD_TTL_SECONDS", "604801"),
        ("ALLOWED_ORIGINS", "https://app.example/path"),
    ] {
        let wrong = config(&[(variable, value)]).unwrap_err();
        assert_eq!(wrong.variable, variable, "{value}");
        assert!(!wrong.to_string().contains(value));
    }
}

fn bucket_of(config: &Config, workspace: &str) -> String {
    let name = config.bucket_of(&workspace.parse().unwrap());
    name.map_or("S3_BUCKET".to_owned(), String::from)
}

#[test]
fn the_first_pattern_that_fits_names_the_bucket() {
    let told = config(&[(
        "S3_BUCKETS",
        "eu-secret=vault, eu-*=files-eu,acme = files-acme,z*=uploads",
    )])
    .unwrap();
    let found = ["eu-secret", "eu-secret2", "eu-", "acme", "acme2", "eu", "zoo"];
    assert_eq!(
        found.map(|workspace| bucket_of(&told, workspace)),
        [
            "vault",
            "files-eu",
            "files-eu",
            "files-acme",
            "S3_BUCKET",
            "S3_BUCKET",
            "S3_BUCKET"
        ]
    );
    let all = config(&[("S3_BUCKETS", "*=elsewhere")]).unwrap();
    assert_eq!(bucket_of(&all, "any"), "elsewhere");
    let names = |config: &Config| -> Vec<String> {
        let further = config.further_buckets().into_iter();
        further.map(|bucket| bucket.name.to_string()).collect()
    };
    assert_eq!(names(&told), ["vault", "files-eu", "files-acme"]);
    assert!(names(&config(&[]).unwrap()).is_empty());
}

#[test]
fn a_bucket_that_no_pattern_names_any_more_is_found_all_the_same() {
    let told = config(&[("S3_BUCKETS", "a=files-a")]).unwrap();
    let known: BucketName = "files-a".parse().unwrap();
    let former: BucketName = "files-former".parse().unwrap();
    assert_eq!(told.recorded_bucket(None).name.as_str(), "uploads");
    assert_eq!(told.recorded_bucket(Some(&known)).name, known);
    let found = told.recorded_bucket(Some(&former));
    assert_eq!(found.name, former);
    assert_eq!(found.endpoint, told.bucket.endpoint);
    // Whether storage looks at checksums is asked once for all of them.
    found.proof.give();
    assert!(told.bucket.proof.is_given() && told.recorded_bucket(Some(&known)).proof.is_given());
}

#[test]
fn a_list_that_is_none_is_named() {
    let long = format!("{}=files", "w".repeat(66));
    let many: Vec<String> = (0..101).map(|n| format!("w{n}=files")).collect();
    let buckets: Vec<String> = (0..21).map(|n| format!("w=files-{n}")).collect();
    for wrong in [
        "files",
        "=files",
        "eu-*=",
        "eu-*=no",
        "eu*west=files",
        "eu-*=files;a=other",
        "a b=files",
        "a=files=b",
        &long,
        &many.join(","),
        &buckets.join(","),
    ] {
        let refused = config(&[("S3_BUCKETS", wrong)]).unwrap_err();
        assert_eq!(refused.variable, "S3_BUCKETS", "{wrong}");
    }
    assert!(config(&[("S3_BUCKETS", " , ")]).is_ok());
}

#[test]
fn an_upload_lives_at_most_for_what_is_configured_and_no_shorter_than_without_parts() {
    let lives = |more: &[(&str, &str)]| {
        let config = config(more)?;
        Ok::<_, ConfigError>((config.upload_ttl.as_secs(), config.upload_max_lifetime.as_secs()))
    };
    assert_eq!(lives(&[]), Ok((6 * 86_400, 60 * 86_400)));
    let long = ("UPLOAD_TTL_SECONDS", "8640000");
    assert_eq!(lives(&[long]), Ok((8_640_000, 8_640_000)));
    let most = "UPLOAD_MAX_LIFETIME_SECONDS";
    assert_eq!(lives(&[long, (most, "8640001")]), Ok((8_640_000, 8_640_001)));
    for wrong in ["8639999", "31622401", "-1", "a"] {
        assert_eq!(
            lives(&[long, (most, wrong)]).unwrap_err().variable,
            most,
            "{wrong}"
        );
    }
}
