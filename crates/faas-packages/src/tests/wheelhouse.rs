//! A directory of wheels that changes under the server.

use std::fs;
use std::fs::File;

use super::super::digest::Digest;
use super::Place;
use super::SIX;
use super::open;

#[tokio::test]
async fn added_and_replaced_wheels_are_seen() {
    let place = Place::new();
    let packages = open(place.with_wheels(&[])).await;
    assert_eq!(
        packages.project("six").await.unwrap_err().kind(),
        "no_index"
    );
    for contents in ["one", "longer"] {
        fs::write(place.path("wheels").join(SIX), contents).unwrap();
        let answer = packages.project("six").await.unwrap();
        assert!(answer.contains(&Digest::of(contents.as_bytes()).to_string()));
        assert_eq!(packages.file("six", SIX).await.unwrap(), contents);
    }
    assert!(place.nothing_cached(), "it is on this machine already");
}

#[tokio::test]
async fn a_wheel_altered_behind_its_stamp_is_refused() {
    let place = Place::new();
    let packages = open(place.with_wheels(&[(SIX, "one")])).await;
    packages.project("six").await.unwrap();
    let path = place.path("wheels").join(SIX);
    let modified = fs::metadata(&path).unwrap().modified().unwrap();
    fs::write(&path, "two").unwrap();
    let file = File::options().write(true).open(&path).unwrap();
    file.set_modified(modified).unwrap();

    let error = packages.file("six", SIX).await.unwrap_err();
    assert_eq!(error.kind(), "wrong_hash");
    assert_eq!(
        packages.file("six", SIX).await.unwrap(),
        "two",
        "as the next answer says"
    );
}

#[tokio::test]
async fn only_wheels_that_can_run_here_are_listed() {
    let place = Place::new();
    let foreign = "six-1.0-cp314-cp314-linux_x86_64.whl";
    let packages = open(place.with_wheels(&[(foreign, "x")])).await;
    fs::create_dir(place.path("wheels").join(SIX)).unwrap();
    assert_eq!(
        packages.project("six").await.unwrap_err().kind(),
        "no_index"
    );
}

#[tokio::test]
async fn large_wheels_are_refused() {
    let place = Place::new();
    let mut settings = place.with_wheels(&[(SIX, "12345")]);
    for (limit, fits) in [(5, true), (4, false)] {
        settings.max_file_bytes = limit;
        let read = open(settings.clone()).await.file("six", SIX).await;
        assert_eq!(read.is_ok(), fits, "{read:?}");
    }
}
