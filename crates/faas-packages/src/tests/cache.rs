//! One download for all callers, and what happens to it on disk.

use std::time::Duration;

use bytes::Bytes;

use super::Place;
use super::SIX;
use super::SIX_PATH;
use super::open;
use super::server::Reply;
use super::server::Server;
use super::server::named;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_requests_at_once_make_one_download() {
    let (place, server) = (Place::new(), Server::start().await);
    server.offer_six(b"contents");
    server.on(
        SIX_PATH,
        [Reply::Slow(Duration::from_millis(200), "contents".into())],
    );
    let packages = open(place.with_index(&server)).await;
    let ask = || {
        let packages = packages.clone();
        tokio::spawn(async move { packages.file("six", SIX).await })
    };
    let tasks: Vec<_> = (0..50).map(|_| ask()).collect();
    tokio::time::sleep(Duration::from_millis(50)).await;
    tasks[0].abort();
    for task in tasks.into_iter().skip(1) {
        assert_eq!(task.await.unwrap().unwrap(), "contents");
    }
    assert_eq!(
        (server.count("/simple/six/"), server.count(SIX_PATH)),
        (1, 1)
    );
}

#[tokio::test]
async fn a_damaged_cache_file_is_fetched_again() {
    let (place, server) = (Place::new(), Server::start().await);
    server.offer_six(b"contents");
    let packages = open(place.with_index(&server)).await;
    for damage in ["CONTENTS", "cont"] {
        packages.file("six", SIX).await.unwrap();
        std::fs::write(&place.cached("sha256")[0], damage).unwrap();
        assert_eq!(packages.file("six", SIX).await.unwrap(), "contents");
    }
    std::fs::remove_file(&place.cached("sha256")[0]).unwrap();
    assert_eq!(packages.file("six", SIX).await.unwrap(), "contents");
    assert_eq!(packages.stats().cached_files, 1);
}

#[tokio::test]
async fn the_cache_stays_within_its_bound() {
    let (place, server) = (Place::new(), Server::start().await);
    let contents = |version: u8| Bytes::from(vec![version; 100]);
    let name = |version| format!("six-{version}.0-py3-none-any.whl");
    let files: Vec<_> = (1..=9)
        .map(|version| {
            let path = format!("/files/{}", name(version));
            server.on(&path, [Reply::file(contents(version))]);
            named(&name(version), &contents(version))
        })
        .collect();
    server.on("/simple/six/", [Reply::json(&files)]);
    let mut settings = place.with_index(&server);
    settings.cache_bytes = 350;
    let packages = open(settings).await;
    for version in 1..=9 {
        let file = packages.file("six", &name(version)).await.unwrap();
        assert_eq!(file, contents(version));
        // Used all along, so it stays.
        packages.file("six", &name(1)).await.unwrap();
    }
    let stats = packages.stats();
    assert_eq!((stats.cached_files, stats.cached_bytes), (3, 300));
    assert_eq!((stats.evictions, place.cached("sha256").len()), (6, 3));
    assert_eq!(server.count(&format!("/files/{}", name(1))), 1);
}

#[tokio::test]
async fn leftovers_of_a_crash_are_removed() {
    let place = Place::new();
    drop(open(place.settings()).await);
    std::fs::write(place.path("cache/tmp/.tmpAbCdEf"), "half a wheel").unwrap();
    open(place.settings()).await;
    assert!(place.nothing_cached());
}
