//! The plain scripts that users run against a service.

mod common;

use std::process::Command;

use common::shared;

fn passes(script: &str) {
    let output = Command::new("python3")
        .arg(format!("{}/tests/{script}", env!("CARGO_MANIFEST_DIR")))
        .arg(format!("http://{}", shared().address))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(text.contains(" passed, 0 failed"), "{text}");
}

#[test]
fn test_pyodide_faas_py_passes() {
    passes("test_pyodide_faas.py");
}

#[test]
fn test_enhanced_faas_py_passes() {
    passes("test_enhanced_faas.py");
}
