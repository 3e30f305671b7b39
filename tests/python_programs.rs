//! Python programs whose output is known: what CPython prints for the same file, or what is right for it.

mod common;

use std::path::Path;

use serde_json::json;

use common::shared_python;

#[test]
fn python_programs_print_what_cpython_prints() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs/python");
    let mut count = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "py") {
            continue;
        }
        count += 1;
        let code = std::fs::read_to_string(&path).unwrap();
        let expected = std::fs::read_to_string(path.with_extension("out")).unwrap();
        let answer = shared_python().run(json!({ "code": code, "timeout": 30_000 }));
        let name = path.file_name().unwrap().display();
        assert_eq!(answer.stdout(), expected, "{name}: {}", answer.stderr());
    }
    assert!(count >= 10, "{count} programs");
}
