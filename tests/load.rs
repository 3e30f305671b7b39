//! What each answer says of the load, for balancers that weigh servers by it.

mod common;

use serde_json::Value;
use serde_json::json;

use common::Answer;
use common::Server;
use common::eventually;

/// The report, as Envoy parses it: the format, a space, and the fields of OrcaLoadReport.
fn report(answer: &Answer) -> Value {
    let header = answer.headers["endpoint-load-metrics"].to_str().unwrap();
    let json = header.strip_prefix("JSON ").unwrap();
    let report: Value = serde_json::from_str(json).unwrap();
    let fields: Vec<_> = report.as_object().unwrap().keys().cloned().collect();
    assert_eq!(fields, ["application_utilization", "rps_fractional", "eps"]);
    report
}

fn number(report: &Value, field: &str) -> f64 {
    report[field].as_f64().unwrap()
}

#[test]
fn answers_say_how_busy_the_server_is_so_that_envoy_can_weigh_it() {
    let server = Server::start_javascript(&[("FAAS_WORKER_COUNT", "2"), ("FAAS_QUEUE_SIZE", "1")]);
    let small = json!({ "code": "1" });
    let idle = report(&server.run(small.clone()));
    // Envoy takes no report in which one of these is 0.
    assert_eq!(number(&idle, "application_utilization"), 0.5);
    assert!(number(&idle, "rps_fractional") > 0.0);
    assert_eq!(number(&idle, "eps"), 0.0);
    let forever = json!({ "code": "for (;;);" });
    let running: Vec<_> = (0..3).map(|_| server.begin("", &forever)).collect();
    eventually("they do not run and wait", || {
        server.get("/ready").body["queue"]["waiting"] == 1
    });
    let refused = server.run(small.clone());
    assert_eq!(refused.status, 429);
    let full = report(&refused);
    assert_eq!(number(&full, "application_utilization"), 1.5);
    assert!(number(&full, "eps") > 0.0, "{full}");
    drop(running);
    let checked = server.post("/check_code", small.to_string());
    assert!(number(&report(&checked), "rps_fractional") > number(&idle, "rps_fractional"));
}

#[test]
fn answers_to_programs_that_come_by_a_door_say_how_busy_the_server_is_too() {
    let server = Server::start_javascript(&[]);
    for (path, body) in [
        (
            "/api/v2/execute",
            json!({ "language": "javascript", "version": "*", "files": [{ "content": "1" }] }),
        ),
        (
            "/sandbox-fusion/run_code",
            json!({ "language": "nodejs", "code": "1" }),
        ),
        ("/sandbox-fusion/run_jupyter", json!({ "cells": ["1"] })),
        ("/2015-03-31/functions/evaluator/invocations", json!({})),
    ] {
        report(&server.post(path, body.to_string()));
    }
    let unknown = server.get("/api/v2/nothing");
    assert_eq!(unknown.status, 404);
    assert!(!unknown.headers.contains_key("endpoint-load-metrics"));
    // Nor does a path that a door answers to become the name of a route.
    let metrics = server.get("/metrics").body.to_string();
    assert!(!metrics.contains("{*"), "{metrics}");
    assert!(
        metrics.contains(r#"route=\"other\",method=\"GET\",code=\"404\"} 1"#),
        "{metrics}"
    );
}

#[test]
fn probes_and_strangers_are_not_told_the_load_in_a_header() {
    let server = Server::start_javascript(&[("FAAS_API_TOKEN", "0123456789-secret")]);
    for answer in [
        server.get("/health"),
        server.get("/ready"),
        server.run(json!({ "code": "1" })),
    ] {
        assert!(
            !answer.headers.contains_key("endpoint-load-metrics"),
            "{answer:?}"
        );
    }
}
