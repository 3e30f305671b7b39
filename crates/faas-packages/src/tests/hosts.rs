//! Where an index may send this server, and where not.

use serde_json::Value;
use serde_json::json;

use super::Place;
use super::SIX;
use super::SIX_PATH;
use super::open;
use super::server::Reply;
use super::server::Server;
use super::server::named;

/// A file of an index answer that is at this address.
fn named_at(filename: &str, url: &str) -> Value {
    let mut file = named(filename, b"contents");
    file["url"] = json!(url);
    file
}

#[tokio::test]
async fn files_on_another_host_or_port_are_not_asked_for_unless_it_is_named() {
    let (place, index, inside) = (Place::new(), Server::start().await, Server::start().await);
    index.on(
        "/simple/six/",
        [Reply::json(&[named_at(SIX, &inside.address(SIX_PATH))])],
    );
    inside.on(SIX_PATH, [Reply::file("contents")]);
    let mut settings = place.with_index(&index);
    let packages = open(settings.clone()).await;
    for error in [
        packages.project("six").await.unwrap_err(),
        packages.file("six", SIX).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), "foreign_host");
        assert!(error.to_string().contains("FAAS_PACKAGE_HOSTS"), "{error}");
        assert!(!error.to_string().contains(&inside.host), "{error}");
    }
    assert_eq!(inside.seen().len(), 0);

    settings.hosts = vec![inside.host.clone()];
    let packages = open(settings).await;
    assert_eq!(packages.file("six", SIX).await.unwrap(), "contents");
}

#[tokio::test]
async fn redirects_to_another_host_or_port_are_not_followed() {
    let (place, index, inside) = (Place::new(), Server::start().await, Server::start().await);
    index.on(
        "/simple/moved/",
        [Reply::Redirect(inside.address("/simple/moved/"))],
    );
    index.offer_six(b"contents");
    index.on(SIX_PATH, [Reply::Redirect(inside.address(SIX_PATH))]);
    let packages = open(place.with_index(&index)).await;
    for error in [
        packages.project("moved").await.unwrap_err(),
        packages.file("six", SIX).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), "bad_answer");
        assert!(error.to_string().contains("FAAS_PACKAGE_HOSTS"), "{error}");
    }
    assert_eq!(inside.seen().len(), 0);
    assert!(place.nothing_cached());
}

#[tokio::test]
async fn the_hosts_of_an_index_are_learned_from_a_project_that_all_indexes_have() {
    let (place, index) = (Place::new(), Server::start().await);
    let at = |file: &str, host| named_at(file, &format!("https://{host}/{file}"));
    let pip = at("pip-1.0-py3-none-any.whl", "files.example");
    index.on("/simple/pip/", [Reply::json(&[pip])]);
    index.on("/simple/six/", [Reply::json(&[at(SIX, "files.example")])]);
    for (name, host) in [("evil", "inside.example"), ("worse", "10.0.0.1")] {
        let file = at(&format!("{name}-1.0-py3-none-any.whl"), host);
        index.on(&format!("/simple/{name}/"), [Reply::json(&[file])]);
    }
    let packages = open(place.with_index(&index)).await;
    assert!(packages.project("six").await.unwrap().contains(SIX));
    for name in ["evil", "worse"] {
        let error = packages.project(name).await.unwrap_err();
        assert_eq!(error.kind(), "foreign_host", "{name}");
    }
    assert_eq!(index.count("/simple/pip/"), 1);
}

#[tokio::test]
async fn an_index_without_that_project_has_its_own_host_only() {
    let (place, index) = (Place::new(), Server::start().await);
    let six = named_at(SIX, "https://files.example/six.whl");
    index.on("/simple/six/", [Reply::json(&[six])]);
    let own = named("attrs-1.0-py3-none-any.whl", b"contents");
    index.on("/simple/attrs/", [Reply::json(&[own])]);
    let packages = open(place.with_index(&index)).await;
    let error = packages.project("six").await.unwrap_err();
    assert_eq!(error.kind(), "foreign_host");
    assert!(packages.project("attrs").await.is_ok());
}
