//! Files and the memory that they take, of this server and of the program that asks.

use serde_json::json;

use super::Place;
use super::SIX;
use super::SIX_PATH;
use super::open;
use super::server::Reply;
use super::server::Server;
use super::server::named;
use super::write_lock;

#[tokio::test]
async fn a_file_larger_than_a_programs_memory_is_not_downloaded_if_the_index_says_so() {
    let (place, server) = (Place::new(), Server::start().await);
    let mut six = named(SIX, b"contents");
    six["size"] = json!(8);
    server.on("/simple/six/", [Reply::json(&[six])]);
    server.on(SIX_PATH, [Reply::file("contents")]);
    let packages = open(place.with_index(&server)).await;
    let answer = packages.project("six").await.unwrap();
    assert_eq!(
        packages.within(7).project("six").await.unwrap_err().kind(),
        "too_large"
    );
    let roomy = packages.within(answer.len() as u64);
    assert!(roomy.project("six").await.is_ok());
    let error = packages.within(7).file("six", SIX).await.unwrap_err();
    assert!(
        error.to_string().contains("memory limit of 7 bytes"),
        "{error}"
    );
    assert_eq!(server.count(SIX_PATH), 0);
    assert_eq!(
        packages.within(8).file("six", SIX).await.unwrap(),
        "contents"
    );
}

#[tokio::test]
async fn a_file_larger_than_a_programs_memory_is_refused_wherever_it_is() {
    let (place, server) = (Place::new(), Server::start().await);
    server.offer_six(b"contents");
    let wheel = "attrs-1.0-py3-none-any.whl";
    let mut settings = place.with_wheels(&[(wheel, "contents")]);
    settings.index = Some(server.address("/simple"));
    let distribution = place.path("distribution");
    std::fs::create_dir_all(&distribution).unwrap();
    let file = ("numpy", "numpy-1.0.whl", "contents", "numpy");
    write_lock(&distribution.join("pyodide-lock.json"), &[file]);
    std::fs::write(distribution.join(file.1), file.2).unwrap();
    settings.distribution = Some(distribution.display().to_string());
    let packages = open(settings).await;
    let small = packages.within(7);
    // Twice: from the index, whose answer does not say how large it is, and once it is cached.
    for _ in 0..2 {
        for error in [
            small.file("six", SIX).await.unwrap_err(),
            small.file("attrs", wheel).await.unwrap_err(),
            small.distribution_file(file.1).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), "too_large");
            assert!(error.to_string().contains("for this program"), "{error}");
        }
        assert_eq!(packages.file("six", SIX).await.unwrap(), "contents");
    }
}

#[tokio::test]
async fn a_file_is_in_memory_once_while_somebody_has_it() {
    let (place, server) = (Place::new(), Server::start().await);
    server.offer_six(b"contents");
    let packages = open(place.with_index(&server)).await;
    let first = packages.file("six", SIX).await.unwrap();
    let second = packages.within(100).file("six", SIX).await.unwrap();
    assert_eq!(first.as_ptr(), second.as_ptr());
    drop((first, second));
    assert_eq!(packages.file("six", SIX).await.unwrap(), "contents");
}

#[tokio::test]
async fn files_that_are_not_read_keep_others_waiting_rather_than_take_more_memory() {
    let (place, server) = (Place::new(), Server::start().await);
    let name = |version| format!("six-{version}.0-py3-none-any.whl");
    let contents = |version: u8| vec![version; 200 << 20];
    let files: Vec<_> = (1..=3)
        .map(|version| named(&name(version), &contents(version)))
        .collect();
    server.on("/simple/six/", [Reply::json(&files)]);
    for version in 1..=3 {
        let path = format!("/files/{}", name(version));
        server.on(&path, [Reply::file(contents(version))]);
    }
    let mut settings = place.with_index(&server);
    settings.timeout = std::time::Duration::from_secs(60);
    let packages = open(settings).await;
    let first = packages.file("six", &name(1)).await.unwrap();
    let second = packages.file("six", &name(2)).await.unwrap();
    let third = packages.clone();
    let third = tokio::spawn(async move { third.file("six", &name(3)).await });
    while server.count("/files/six-3.0-py3-none-any.whl") == 0 {
        tokio::task::yield_now().await;
    }
    // Those that are there are had without waiting.
    assert_eq!(packages.file("six", &name(1)).await.unwrap(), first);
    assert!(!third.is_finished());
    drop(first);
    drop(second);
    assert_eq!(third.await.unwrap().unwrap().len(), 200 << 20);
}
