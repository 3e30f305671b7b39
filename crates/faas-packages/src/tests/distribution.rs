//! Pyodide's own distribution, from a directory and from a mirror.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Barrier;

use super::super::PackageSettings;
use super::super::Packages;
use super::Place;
use super::open;
use super::server::Reply;
use super::server::Server;
use super::write_lock;

const NUMPY: &str = "numpy-1.0-cp314-cp314-pyemscripten_2026_0_wasm32.whl";
const PACKAGES: [(&str, &str, &str, &str); 3] = [
    ("numpy", NUMPY, "numpy's contents", "numpy"),
    ("Pillow", "pillow-1.0.zip", "pillow's contents", "PIL"),
    ("libz", "libz-1.0.zip", "libz's contents", "libz"),
];

fn in_directory(place: &Place) -> PackageSettings {
    let directory = place.path("distribution");
    std::fs::create_dir_all(&directory).unwrap();
    write_lock(&directory.join("pyodide-lock.json"), &PACKAGES);
    for (_, file, contents, _) in PACKAGES {
        std::fs::write(directory.join(file), contents).unwrap();
    }
    PackageSettings {
        distribution: Some(directory.to_str().unwrap().to_owned()),
        ..place.settings()
    }
}

async fn kind(packages: &Packages, file: &str) -> &'static str {
    packages.distribution_file(file).await.unwrap_err().kind()
}

#[tokio::test]
async fn a_distribution_directory_is_read_by_its_own_lock_file() {
    let place = Place::new();
    let mut settings = in_directory(&place);
    settings.deny = vec!["libz".into()];
    let packages = open(settings).await;
    assert_eq!(packages.distribution_packages(), ["numpy", "pillow"]);
    assert_eq!(
        packages.distribution_file(NUMPY).await.unwrap(),
        "numpy's contents"
    );

    std::fs::write(place.path("distribution").join(NUMPY), "altered").unwrap();
    std::fs::remove_file(place.path("distribution/pillow-1.0.zip")).unwrap();
    assert_eq!(kind(&packages, NUMPY).await, "wrong_hash");
    assert_eq!(kind(&packages, "pillow-1.0.zip").await, "not_found");
    assert_eq!(kind(&packages, "libz-1.0.zip").await, "not_allowed");
    assert_eq!(kind(&packages, "pyodide-lock.json").await, "not_found");
    assert_eq!(kind(&packages, "../bundled.json").await, "invalid_name");
    let error = packages.distribution_file("pillow-1.0.zip").await;
    let sentence = error.unwrap_err().to_string();
    assert!(!sentence.contains(place.root.path().to_str().unwrap()));
}

#[tokio::test]
async fn import_names_lead_to_packages() {
    let place = Place::new();
    let packages = open(in_directory(&place)).await;
    let found = packages.provider("PIL.Image").await.unwrap();
    assert_eq!(found.as_deref(), Some("pillow"));
    assert_eq!(packages.provider("nothing").await, Ok(None));
    let error = packages.project("numpy").await.unwrap_err();
    assert!(error.to_string().contains("at version 1.0 only"), "{error}");
}

#[tokio::test]
async fn the_bundled_lock_names_packages_for_other_sources() {
    let place = Place::new();
    write_lock(&place.path("bundled.json"), &PACKAGES);
    let packages = open(place.with_wheels(&[("pillow-9.0-py3-none-any.whl", "x")])).await;
    let found = packages.provider("PIL").await.unwrap();
    assert_eq!(found.as_deref(), Some("pillow"));
    assert!(packages.distribution_packages().is_empty());
    assert_eq!(packages.provider("numpy").await, Ok(None));
}

#[tokio::test]
async fn a_distribution_mirror_is_read_by_the_bundled_lock_file() {
    let (place, mirror) = (Place::new(), Server::start().await);
    write_lock(&place.path("bundled.json"), &PACKAGES);
    mirror.on(
        &format!("/full/{NUMPY}"),
        [Reply::Status(503), Reply::file("numpy's contents")],
    );
    mirror.on("/full/libz-1.0.zip", [Reply::file("altered")]);
    let mut settings = place.settings();
    settings.distribution = Some(mirror.address("/full"));
    let packages = open(settings).await;
    for _ in 0..2 {
        let numpy = packages.distribution_file(NUMPY).await.unwrap();
        assert_eq!(numpy, "numpy's contents");
    }
    assert_eq!(mirror.count(&format!("/full/{NUMPY}")), 2);
    assert_eq!(kind(&packages, "pillow-1.0.zip").await, "not_found");
    assert_eq!(kind(&packages, "libz-1.0.zip").await, "wrong_hash");
}

#[tokio::test]
async fn what_a_set_will_ask_for_is_fetched_side_by_side_and_once() {
    let (place, mirror) = (Place::new(), Server::start().await);
    write_lock(&place.path("bundled.json"), &PACKAGES);
    // Nothing is sent until all are asked for.
    let all = Arc::new(Barrier::new(PACKAGES.len()));
    for (_, file, contents, _) in PACKAGES {
        let reply = Reply::Together(all.clone(), contents.into());
        mirror.on(&format!("/full/{file}"), [reply]);
    }
    let mut settings = place.settings();
    settings.distribution = Some(mirror.address("/full"));
    let packages = open(settings).await;
    let set = ["numpy", "Pillow", "libz", "numpy>=1", "elsewhere"].map(str::to_owned);
    for _ in 0..2 {
        let fetched = tokio::time::timeout(Duration::from_secs(20), packages.fetch_ahead(&set));
        fetched.await.expect("one waits for the other");
    }
    for (_, file, contents, _) in PACKAGES {
        assert_eq!(packages.distribution_file(file).await.unwrap(), contents);
        assert_eq!(mirror.count(&format!("/full/{file}")), 1, "{file}");
    }
}

#[tokio::test]
async fn what_was_fetched_ahead_is_used_without_a_distribution_too() {
    let place = Place::new();
    let prepared = in_directory(&place).distribution.unwrap();
    let packages = open(PackageSettings {
        prepared: Some(prepared.into()),
        ..place.settings()
    })
    .await;
    let numpy = packages.distribution_file(NUMPY).await.unwrap();
    assert_eq!(numpy, "numpy's contents");
    let found = packages.own_provider("PIL").await.unwrap();
    assert_eq!(found.as_deref(), Some("pillow"));
}

#[tokio::test]
async fn invalid_settings_are_reported_by_name() {
    let place = Place::new();
    let missing = place.path("missing");
    for (setting, settings) in [
        (
            "FAAS_WHEELHOUSE",
            PackageSettings {
                wheelhouse: Some(missing.clone()),
                ..place.settings()
            },
        ),
        (
            "FAAS_PYODIDE_PACKAGES",
            PackageSettings {
                distribution: Some(missing.display().to_string()),
                ..place.settings()
            },
        ),
        (
            "FAAS_PACKAGE_INDEX",
            PackageSettings {
                index: Some("ftp://user:s3cret@host".into()),
                ..place.settings()
            },
        ),
    ] {
        let error = Packages::open(&settings).err().unwrap().to_string();
        assert!(error.starts_with(setting), "{error}");
        assert!(!error.contains("s3cret"));
    }
}

#[tokio::test]
async fn what_was_fetched_ahead_needs_no_mirror_and_must_have_its_sha256() {
    let (place, mirror) = (Place::new(), Server::start().await);
    write_lock(&place.path("bundled.json"), &PACKAGES);
    mirror.on("/full/libz-1.0.zip", [Reply::file("libz's contents")]);
    let prepared = place.path("prepared");
    std::fs::create_dir(&prepared).unwrap();
    std::fs::write(prepared.join(NUMPY), "numpy's contents").unwrap();
    std::fs::write(prepared.join("pillow-1.0.zip"), "altered").unwrap();
    let packages = open(PackageSettings {
        distribution: Some(mirror.address("/full")),
        prepared: Some(prepared),
        ..place.settings()
    })
    .await;
    let numpy = packages.distribution_file(NUMPY).await.unwrap();
    assert_eq!(numpy, "numpy's contents");
    assert_eq!(mirror.count(&format!("/full/{NUMPY}")), 0);
    let libz = packages.distribution_file("libz-1.0.zip").await.unwrap();
    assert_eq!(libz, "libz's contents");
    assert_eq!(kind(&packages, "pillow-1.0.zip").await, "wrong_hash");
}

#[tokio::test]
async fn only_own_sources_provide_modules_unasked() {
    let (place, server) = (Place::new(), Server::start().await);
    let mut settings = in_directory(&place);
    settings.index = Some(server.address("/simple"));
    let packages = open(settings).await;
    let found = packages.own_provider("PIL").await.unwrap();
    assert_eq!(found.as_deref(), Some("pillow"));
    assert_eq!(packages.own_provider("six").await, Ok(None));
    assert_eq!(server.count("/simple/six/"), 0);
}
