//! A working index, the wheelhouse before it, and what programs may ask.

use serde_json::Value;
use serde_json::json;

use super::super::Packages;
use super::super::digest::Digest;
use super::super::listing::FILE_URL_PREFIX;
use super::Place;
use super::SIX;
use super::SIX_PATH;
use super::open;
use super::server::Reply;
use super::server::Server;
use super::server::named;

#[tokio::test]
async fn json_listings_get_symbolic_addresses_and_files_are_cached() {
    let (place, server) = (Place::new(), Server::start().await);
    server.offer_six(b"contents");
    let packages = open(place.with_index(&server)).await;

    let answer: Value = serde_json::from_str(&packages.project("Six").await.unwrap()).unwrap();
    assert_eq!(answer["name"], "six");
    assert_eq!(
        answer["files"][0]["url"],
        format!("{FILE_URL_PREFIX}six/{SIX}")
    );

    for _ in 0..2 {
        assert_eq!(packages.file("six", SIX).await.unwrap(), "contents");
    }
    assert_eq!(
        (server.count("/simple/six/"), server.count(SIX_PATH)),
        (1, 1)
    );
    let stats = packages.stats();
    assert_eq!((stats.cache_misses, stats.cache_hits), (1, 1));
    assert_eq!((stats.downloaded_bytes, stats.cached_bytes), (8, 8));
}

#[tokio::test]
async fn after_a_restart_files_come_from_disk() {
    let (place, server) = (Place::new(), Server::start().await);
    server.offer_six(b"contents");
    let first = open(place.with_index(&server)).await;
    first.file("six", SIX).await.unwrap();
    drop(first);
    let again = open(place.with_index(&server)).await;
    assert_eq!(again.file("six", SIX).await.unwrap(), "contents");
    assert_eq!(
        (server.count("/simple/six/"), server.count(SIX_PATH)),
        (2, 1)
    );
    assert_eq!(again.stats().cached_files, 1);
}

#[tokio::test]
async fn html_listings_get_symbolic_addresses_too() {
    let (place, server) = (Place::new(), Server::start().await);
    let page = format!(
        r#"<a href="../../files/{SIX}#sha256={}" data-core-metadata="sha256={}"
           data-requires-python="&gt;=3.8">{SIX}</a>"#,
        Digest::of(b"contents"),
        Digest::of(b"metadata"),
    );
    server.on("/simple/six/", [Reply::html(page)]);
    server.on(SIX_PATH, [Reply::file("contents")]);
    server.on(&format!("{SIX_PATH}.metadata"), [Reply::file("metadata")]);
    let packages = open(place.with_index(&server)).await;

    let answer: Value = serde_json::from_str(&packages.project("six").await.unwrap()).unwrap();
    assert_eq!(answer["files"][0]["requires-python"], ">=3.8");
    assert_eq!(packages.file("six", SIX).await.unwrap(), "contents");
    let metadata = format!("{SIX}.metadata");
    assert_eq!(packages.file("six", &metadata).await.unwrap(), "metadata");
}

#[tokio::test]
async fn the_wheelhouse_goes_before_the_index() {
    let (place, server) = (Place::new(), Server::start().await);
    server.offer_six(b"from the index");
    server.on("/simple/attrs/", [Reply::json(&[])]);
    let mut settings = place.with_wheels(&[(SIX, "from the wheelhouse")]);
    settings.index = Some(server.address("/simple/"));
    let packages = open(settings).await;

    let answer: Value = serde_json::from_str(&packages.project("six").await.unwrap()).unwrap();
    let sha256 = Digest::of(b"from the wheelhouse").to_string();
    assert_eq!(answer["files"][0]["hashes"], json!({"sha256": sha256}));
    assert_eq!(
        packages.file("six", SIX).await.unwrap(),
        "from the wheelhouse"
    );
    let other = packages.file("six", "six-2.0-py3-none-any.whl").await;
    assert_eq!(other.unwrap_err().kind(), "not_found");
    assert!(server.seen().is_empty());

    let empty = packages.project("attrs").await;
    assert_eq!(empty.unwrap_err().kind(), "not_found");
    assert_eq!(
        server.count("/simple/attrs/"),
        1,
        "others come from the index"
    );
}

#[tokio::test]
async fn a_missing_project_is_remembered_for_a_while() {
    let (place, server) = (Place::new(), Server::start().await);
    let packages = open(place.with_index(&server)).await;
    for _ in 0..3 {
        let error = packages.project("nothing").await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "the package index has no package 'nothing'"
        );
    }
    assert_eq!(server.count("/simple/nothing/"), 1);
}

#[tokio::test]
async fn wheels_for_other_platforms_are_named_as_the_reason() {
    let (place, server) = (Place::new(), Server::start().await);
    let foreign = "six-1.0-cp314-cp314-manylinux_2_17_x86_64.whl";
    server.on("/simple/six/", [Reply::json(&[named(foreign, b"")])]);
    let packages = open(place.with_index(&server)).await;
    for error in [
        packages.project("six").await.unwrap_err(),
        packages.file("six", foreign).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), "unsupported_wheel");
    }
}

#[tokio::test]
async fn only_files_that_the_index_named_are_served() {
    let (place, server) = (Place::new(), Server::start().await);
    server.offer_six(b"contents");
    server.on(
        "/files/six-9.0-py3-none-any.whl",
        [Reply::file("never named")],
    );
    let packages = open(place.with_index(&server)).await;
    for (project, file) in [
        ("six", "six-9.0-py3-none-any.whl"),
        ("six", "six-1.0-py3-none-any.whl.metadata"),
        ("six", "../six-1.0-py3-none-any.whl"),
        ("six", "/etc/passwd"),
        ("six", "six-1.0-py3-none-any.whl?x.whl"),
        ("six", "http://127.0.0.1/six-1.0-py3-none-any.whl"),
        ("../six", SIX),
        ("six/..", SIX),
        ("", SIX),
        ("attrs", SIX),
    ] {
        let error = packages.file(project, file).await.unwrap_err();
        assert!(
            matches!(error.kind(), "not_found" | "invalid_name"),
            "{error}"
        );
    }
    let asked = server.seen();
    assert!(
        asked
            .iter()
            .all(|request| request.path.starts_with("/simple/"))
    );
}

#[tokio::test]
async fn the_policy_covers_every_source() {
    let (place, server) = (Place::new(), Server::start().await);
    server.offer_six(b"contents");
    let mut settings = place.with_wheels(&[("attrs-1.0-py3-none-any.whl", "x")]);
    settings.index = Some(server.address("/simple/"));
    settings.deny = vec!["SIX".into(), "attrs".into()];
    let packages = open(settings.clone()).await;
    for name in ["six", "Attrs"] {
        let error = packages.project(name).await.unwrap_err();
        assert_eq!(error.kind(), "not_allowed");
        assert_eq!(packages.provider(name).await, Ok(None));
    }
    let error = packages.file("six", SIX).await.unwrap_err();
    assert_eq!(error.kind(), "not_allowed");

    settings.deny = Vec::new();
    settings.allow = Some(vec!["Six".into()]);
    let packages = open(settings).await;
    assert!(packages.project("six").await.is_ok());
    assert!(packages.project("attrs").await.is_err());
}

#[tokio::test]
async fn without_an_index_the_answer_says_how_to_set_one() {
    let place = Place::new();
    let packages = open(place.settings()).await;
    for error in [
        packages.project("six").await.unwrap_err(),
        packages.file("six", SIX).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), "no_index");
        assert!(error.to_string().contains("FAAS_PACKAGE_INDEX"));
    }
    assert_eq!(packages.provider("six").await, Ok(None));
}

#[tokio::test]
async fn every_source_refuses_when_packages_are_turned_off() {
    let place = Place::new();
    let mut settings = place.settings();
    settings.enabled = false;
    let packages = open(settings).await;
    assert_eq!(
        packages.project("six").await.unwrap_err().kind(),
        "disabled"
    );
    assert_eq!(
        packages.file("six", SIX).await.unwrap_err().kind(),
        "disabled"
    );
    assert!(packages.distribution_file(SIX).await.is_err());
    assert!(packages.provider("six").await.is_err());
    assert!(packages.distribution_packages().is_empty());
    assert!(!place.path("cache").exists());
}

#[tokio::test]
async fn the_provider_of_a_module_may_be_in_any_source() {
    let (place, server) = (Place::new(), Server::start().await);
    server.offer_six(b"contents");
    let mut settings = place.with_wheels(&[("attrs-1.0-py3-none-any.whl", "x")]);
    settings.index = Some(server.address("/simple/"));
    let packages = open(settings).await;
    let ask = async |module| packages.provider(module).await.unwrap();
    assert_eq!(ask("attrs").await.as_deref(), Some("attrs"));
    assert_eq!(ask("six.moves").await.as_deref(), Some("six"));
    for module in ["nothing", "_private", "", "a b", "../six"] {
        assert_eq!(ask(module).await, None, "{module}");
    }
}

#[test]
fn packages_can_be_shared_between_tasks() {
    fn shared<T: Clone + Send + Sync + 'static>() {}
    shared::<Packages>();
}
