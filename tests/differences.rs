//! What differs from CPython on a usual machine, for good: each with a program that shows it. The table in
//! docs/api.md is made from this.

mod common;

use std::path::Path;

use serde_json::json;

use common::Server;

/// What differs; a program that shows it; what it prints on a usual machine; what it prints here.
const DIFFERENCES: &[(&str, &str, &str, &str)] = &[
    (
        "numpy's default integer has 32 bits, and sums overflow without a word; ask for `dtype=\"int64\"`",
        "import numpy as np\nprint(np.arange(100001).sum())",
        "5000050000",
        "705082704",
    ),
    (
        "`int` as a dtype of pandas has 32 bits, too",
        "import pandas as pd\nprint(pd.Series([3e9]).astype(int).tolist())",
        "[3000000000]",
        "[2147483647]",
    ),
    (
        "integers of C and pointers have 32 bits",
        "import struct, sys\nprint(struct.calcsize('l'), struct.calcsize('P'), sys.maxsize)",
        "8 8 9223372036854775807",
        "4 4 2147483647",
    ),
    (
        "there are no threads",
        "import threading\ntry: threading.Thread(target=print).start()\nexcept RuntimeError as error: print(error)",
        "",
        "can't start new thread",
    ),
    (
        "there are no processes",
        "import subprocess\ntry: subprocess.run(['true'])\nexcept OSError as error: print(error)",
        "",
        "[Errno 138] emscripten does not support processes.",
    ),
    (
        "every locale can be set, and behaves as C",
        "import locale\nprint(locale.setlocale(locale.LC_ALL, 'de_DE.UTF-8'), f'{1234.5:n}')",
        "de_DE.UTF-8 1.234,5",
        "de_DE.UTF-8 1234.5",
    ),
    (
        "local time is UTC, and `time.tzset` is not there; use `zoneinfo`",
        "import time\nprint(time.timezone, hasattr(time, 'tzset'))",
        "-3600 True",
        "0 False",
    ),
    (
        "the platform is Emscripten on wasm32",
        "import platform, sys\nprint(sys.platform, platform.machine())",
        "linux x86_64",
        "emscripten wasm32",
    ),
    (
        "there is one user, one process and one computer",
        "import os, socket\nprint(os.getpid(), socket.gethostname())",
        "1234 host",
        "42 emscripten",
    ),
];

#[test]
fn what_differs_from_cpython_is_in_a_table_of_the_docs() {
    let packages = concat!(env!("CARGO_MANIFEST_DIR"), "/target/test-distribution");
    let server = Server::start_python(&[
        ("FAAS_PYODIDE_PACKAGES", packages),
        ("FAAS_MAX_EXECUTION_TIME", "300000"),
    ]);
    let mut table = String::from("| what differs | elsewhere | here |\n|---|---|---|\n");
    let mut wrong = Vec::new();
    for (what, code, elsewhere, here) in DIFFERENCES {
        let needed = ["numpy", "pandas"]
            .into_iter()
            .filter(|name| code.contains(&format!("import {name}")));
        let needed: Vec<_> = needed.collect();
        let request = json!({ "code": code, "packages": needed, "timeout": 300_000 });
        let answer = server.run(request);
        if answer.stdout().trim_end() != *here {
            wrong.push(format!("{what}: {} {}", answer.stdout(), answer.stderr()));
        }
        let cell = |text: &str| match text {
            "" => String::new(),
            text => format!("`{text}`"),
        };
        table += &format!("| {what} | {} | {} |\n", cell(elsewhere), cell(here));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/api.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let mark =
        "<!-- differences: written by UPDATE_DOCS=1 cargo test --release --test differences -->\n";
    let (before, rest) = page.split_once(mark).unwrap();
    let (_, after) = rest.split_once("\n\n").unwrap();
    let expected = format!("{before}{mark}{table}\n{after}");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, expected).unwrap();
    } else {
        assert_eq!(page, expected, "write it with UPDATE_DOCS=1");
    }
}
