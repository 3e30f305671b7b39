//! Sources that fail, lie or hang.

use std::collections::HashSet;
use std::time::Duration;
use std::time::Instant;

use serde_json::json;

use super::super::PackageError;
use super::super::digest::Digest;
use super::Place;
use super::SIX;
use super::SIX_PATH;
use super::open;
use super::server::Reply;
use super::server::Server;
use super::server::named;

#[tokio::test]
async fn a_wrong_hash_is_refused_and_nothing_is_kept() {
    let (place, server) = (Place::new(), Server::start().await);
    server.offer_six(b"promised");
    server.on(SIX_PATH, [Reply::file("altered")]);
    let packages = open(place.with_index(&server)).await;
    let error = packages.file("six", SIX).await.unwrap_err();
    assert_eq!(error.kind(), "wrong_hash");
    let (promised, found) = (Digest::of(b"promised"), Digest::of(b"altered"));
    assert!(error.to_string().contains(&promised.to_string()));
    assert!(!error.to_string().contains(&found.to_string()));
    assert!(error.in_full().contains(&found.to_string()));
    assert!(place.nothing_cached());
    assert_eq!(packages.stats().downloaded_bytes, 0);

    server.on(SIX_PATH, [Reply::file("promised")]);
    assert_eq!(packages.file("six", SIX).await.unwrap(), "promised");
}

#[tokio::test]
async fn a_file_without_a_hash_is_refused() {
    let (place, server) = (Place::new(), Server::start().await);
    server.offer_six(b"contents");
    let nameless = json!({"filename": SIX, "url": SIX_PATH, "hashes": {"md5": "0"}});
    server.on("/simple/six/", [Reply::json(&[nameless])]);
    let packages = open(place.with_index(&server)).await;
    assert!(packages.project("six").await.is_ok());
    let error = packages.file("six", SIX).await.unwrap_err();
    assert_eq!(error.kind(), "no_hash");
    assert_eq!(server.count(SIX_PATH), 0);
}

#[tokio::test]
async fn a_source_that_hangs_is_given_up() {
    let (place, server) = (Place::new(), Server::start().await);
    server.on("/simple/six/", [Reply::Hang]);
    let mut settings = place.with_index(&server);
    settings.timeout = Duration::from_millis(300);
    let packages = open(settings).await;
    let start = Instant::now();
    let error = packages.project("six").await.unwrap_err();
    assert_eq!(error.kind(), "timeout");
    assert!(start.elapsed() < Duration::from_secs(4));
}

#[tokio::test]
async fn a_cut_connection_is_retried() {
    let (place, server) = (Place::new(), Server::start().await);
    server.offer_six(b"contents");
    server.on(
        SIX_PATH,
        [Reply::Cut("cont".into()), Reply::file("contents")],
    );
    let packages = open(place.with_index(&server)).await;
    assert_eq!(packages.file("six", SIX).await.unwrap(), "contents");
    assert_eq!(server.count(SIX_PATH), 2);
}

#[tokio::test]
async fn a_connection_that_is_always_cut_leaves_nothing() {
    let (place, server) = (Place::new(), Server::start().await);
    server.offer_six(b"contents");
    server.on(SIX_PATH, [Reply::Cut("cont".into())]);
    let packages = open(place.with_index(&server)).await;
    let error = packages.file("six", SIX).await.unwrap_err();
    assert_eq!(error.kind(), "unreachable");
    assert_eq!(server.count(SIX_PATH), 3, "once, and two retries");
    assert!(place.nothing_cached());
}

#[tokio::test]
async fn temporary_failures_are_retried_and_others_are_not() {
    let (place, server) = (Place::new(), Server::start().await);
    let good = server.offer_six(b"contents");
    let answer = Reply::json(&[named(good, b"contents")]);
    let packages = open(place.with_index(&server)).await;

    server.on("/simple/six/", [Reply::Status(500), answer.clone()]);
    assert!(packages.project("six").await.is_ok());

    for (name, status) in [("forbidden", 403), ("broken", 503)] {
        server.on(&format!("/simple/{name}/"), [Reply::Status(status)]);
        let error = packages.project(name).await.unwrap_err();
        let host = server.host.clone();
        let told = error.to_string();
        assert!(
            !told.contains(&host) && !told.contains(&status.to_string()),
            "{told}"
        );
        assert_eq!(error, PackageError::Status { host, status });
    }
    assert_eq!(server.count("/simple/forbidden/"), 1);
    assert_eq!(server.count("/simple/broken/"), 3);
}

#[tokio::test]
async fn retry_after_is_honoured_within_the_time_allowed() {
    let (place, server) = (Place::new(), Server::start().await);
    server.offer_six(b"contents");
    let answer = Reply::json(&[named(SIX, b"contents")]);
    server.on("/simple/six/", [Reply::RetryAfter("1"), answer]);
    server.on("/simple/busy/", [Reply::RetryAfter("18446744073709551615")]);
    let packages = open(place.with_index(&server)).await;

    let start = Instant::now();
    packages.project("six").await.unwrap();
    assert!(start.elapsed() >= Duration::from_secs(1));

    let start = Instant::now();
    let error = packages.project("busy").await.unwrap_err();
    assert_eq!(error.kind(), "status");
    assert!(
        start.elapsed() < Duration::from_secs(1),
        "no use in waiting"
    );
}

#[tokio::test]
async fn redirects_are_followed_up_to_a_limit() {
    let (place, server) = (Place::new(), Server::start().await);
    server.offer_six(b"contents");
    server.on("/moved/six/", [Reply::Redirect("/simple/six/".into())]);
    server.on("/moved/loop/", [Reply::Redirect("/moved/loop/".into())]);
    server.on(
        "/moved/local/",
        [Reply::Redirect("file:///etc/passwd".into())],
    );
    let mut settings = place.with_index(&server);
    settings.index = Some(server.address("/moved"));
    let packages = open(settings).await;

    assert_eq!(packages.file("six", SIX).await.unwrap(), "contents");
    for (name, reason) in [
        ("loop", "it redirects too often"),
        (
            "local",
            "it redirects to an address that cannot be followed",
        ),
    ] {
        let (host, reason) = (server.host.clone(), reason.to_owned());
        let error = packages.project(name).await.unwrap_err();
        assert_eq!(error, PackageError::BadAnswer { host, reason });
    }
    assert_eq!(server.count("/moved/loop/"), 6, "once, and five redirects");
}

#[tokio::test]
async fn malformed_answers_of_an_index_are_refused() {
    let (place, server) = (Place::new(), Server::start().await);
    server.on("/simple/six/", [Reply::file("zip")]);
    let error = open(place.with_index(&server)).await.project("six").await;
    assert_eq!(error.unwrap_err().kind(), "bad_answer");
}

#[tokio::test]
async fn an_index_that_does_not_listen_is_a_clear_error() {
    let place = Place::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host = free.local_addr().unwrap().to_string();
    drop(free);
    let mut settings = place.settings();
    settings.index = Some(format!("http://user:s3cret@{host}/simple"));
    settings.retries = 1;
    let error = open(settings).await.project("six").await.unwrap_err();
    let sentence = "the source of packages that FAAS_PACKAGE_INDEX names could not be reached: no connection; \
                    the operator of this server can set FAAS_PACKAGE_INDEX to a mirror, or FAAS_WHEELHOUSE \
                    to a directory of wheels";
    assert_eq!(error.to_string(), sentence);
    assert_eq!(error.in_full(), format!("{sentence} (host {host})"));
}

#[tokio::test]
async fn a_source_that_could_not_be_reached_is_not_tried_again_at_once() {
    let place = Place::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host = free.local_addr().unwrap();
    drop(free);
    let mut settings = place.settings();
    settings.index = Some(format!("http://{host}/simple"));
    settings.retries = 0;
    let packages = open(settings).await;
    let first = packages.project("six").await.unwrap_err();
    assert_eq!(first.kind(), "unreachable");
    // It is there now, and sees that nobody comes.
    let back = std::net::TcpListener::bind(host).unwrap();
    back.set_nonblocking(true).unwrap();
    assert_eq!(packages.project("attrs").await.unwrap_err(), first);
    let nobody = back.accept().unwrap_err();
    assert_eq!(nobody.kind(), std::io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn oversized_files_are_refused_by_header_and_while_downloading() {
    let (place, server) = (Place::new(), Server::start().await);
    let big = "six-2.0-py3-none-any.whl";
    let mut announced = named("six-3.0-py3-none-any.whl", b"");
    announced["size"] = json!(1000);
    let files = [named(SIX, b"12345"), named(big, b"123456"), announced];
    server.on("/simple/six/", [Reply::json(&files)]);
    server.on(SIX_PATH, [Reply::Cut("123456".into())]);
    server.on(&format!("/files/{big}"), [Reply::file("123456")]);
    let mut settings = place.with_index(&server);
    settings.max_file_bytes = 5;
    let packages = open(settings).await;
    for file in [SIX, big, "six-3.0-py3-none-any.whl"] {
        let error = packages.file("six", file).await.unwrap_err();
        assert_eq!(error.kind(), "too_large", "{file}: {error}");
    }
    assert_eq!(server.count("/files/six-3.0-py3-none-any.whl"), 0);
    assert!(place.nothing_cached());
}

#[tokio::test]
async fn credentials_go_to_the_index_only_and_into_no_message() {
    let (place, index, files) = (Place::new(), Server::start().await, Server::start().await);
    let elsewhere = json!({
        "filename": SIX,
        "url": files.address(SIX_PATH),
        "hashes": named(SIX, b"contents")["hashes"],
    });
    index.on("/simple/six/", [Reply::json(&[elsewhere])]);
    index.on(
        "/simple/moved/",
        [Reply::Redirect(files.address("/moved/"))],
    );
    index.on("/simple/broken/", [Reply::Status(401)]);
    let mut settings = place.with_index(&index);
    settings.index = Some(format!("http://user:s3cret@{}/simple", index.host));
    settings.hosts = vec![files.host.clone()];
    assert!(!format!("{settings:?}").contains("s3cret"));
    let packages = open(settings).await;

    let _ = packages.file("six", SIX).await;
    let _ = packages.project("moved").await;
    assert_eq!(files.seen().len(), 2);
    assert!(files.seen().iter().all(|seen| seen.authorization.is_none()));
    let sent: HashSet<_> = index
        .seen()
        .into_iter()
        .map(|seen| seen.authorization)
        .collect();
    // "user:s3cret" in base64.
    assert_eq!(sent, [Some("Basic dXNlcjpzM2NyZXQ=".to_owned())].into());

    let error = packages.project("broken").await.unwrap_err();
    assert!(!error.to_string().contains("s3cret"));
    assert!(!packages.project("six").await.unwrap().contains("127.0.0.1"));
}
