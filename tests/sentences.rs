//! Sentences that V8 says in English and that our code matches. When V8 puts one in other words,
//! nothing breaks, but answers get worse: a test per sentence makes V8 say it, and looks at what our
//! code then does.

mod common;

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::json;

use common::Server;

const COMPILE: &str = "crates/faas-engine/src/javascript/compile.rs";
const INSPECT: &str = "js/vendor/node/inspect.js";
const RUNNER: &str = "js/javascript/runner.js";
const STACK: &str = "js/javascript/stack.js";
const PAGE: &str = "docs/upgrading.md";

/// What is seen when our code knows the sentence again.
enum Seen {
    /// The program succeeds, and this is in what it prints.
    Stdout(&'static str),
    /// The program fails, and this is in the report.
    Stderr(&'static str),
    /// The program is stopped for its memory. This shows the answer, not the sentence behind it: V8
    /// also calls back near its heap's limit when it has no room for a buffer, and our allocator ends
    /// a clone before V8 can say that it failed.
    MemoryLimit,
}

struct Sentence {
    /// What is matched, as `docs/upgrading.md` has it.
    text: &'static str,
    /// Where it is matched.
    file: &'static str,
    /// A JavaScript program that makes V8 say it.
    code: &'static str,
    seen: Seen,
}

/// All of them.
const SENTENCES: [Sentence; 11] = [
    Sentence {
        text: "Cannot use import statement outside a module",
        file: COMPILE,
        code: "import x from 'there';",
        seen: Seen::Stderr("Cannot import \"there\": the sandbox has no module loader"),
    },
    Sentence {
        text: "Cannot use 'import.meta' outside a module",
        file: COMPILE,
        code: "console.log(typeof import.meta)",
        seen: Seen::Stdout("object\n"),
    },
    Sentence {
        text: "Unexpected token 'export'",
        file: COMPILE,
        code: "export const a = 'exported'; console.log(a)",
        seen: Seen::Stdout("exported\n"),
    },
    // As a module it is an illegal return; that there is a brace too many says more.
    Sentence {
        text: "Illegal return",
        file: COMPILE,
        code: "return 1;\n}",
        seen: Seen::Stderr("<code>:2\n}\n^\n\nSyntaxError: Unexpected token '}'"),
    },
    // As a module, it is an illegal return; as a function, V8 says that it is not async.
    Sentence {
        text: "await is",
        file: COMPILE,
        code: "return await 1;\n}",
        seen: Seen::Stderr("SyntaxError: Unexpected end of input"),
    },
    Sentence {
        text: "Uncaught",
        file: COMPILE,
        code: "let x = ;",
        seen: Seen::Stderr("\n\nSyntaxError: Unexpected token ';'"),
    },
    Sentence {
        text: "Array buffer allocation failed",
        file: RUNNER,
        code: "new ArrayBuffer(2 ** 32)",
        seen: Seen::MemoryLimit,
    },
    Sentence {
        text: "WebAssembly.Memory(): could not allocate",
        file: RUNNER,
        code: "new WebAssembly.Memory({ initial: 65536 })",
        seen: Seen::MemoryLimit,
    },
    Sentence {
        text: "Data cannot be cloned, out of memory",
        file: RUNNER,
        code: "structuredClone(new Uint8Array(150 << 20))",
        seen: Seen::MemoryLimit,
    },
    Sentence {
        text: "ReferenceError: … is not defined",
        file: STACK,
        code: "fetch('http://example.com')",
        seen: Seen::Stderr("fetch is not defined: the sandbox has no fetch; it has no network"),
    },
    Sentence {
        text: "Maximum call stack size exceeded",
        file: INSPECT,
        code: "let deep = [];\nfor (let i = 0; i < 1e4; i++) deep = [deep];\n\
               console.dir(deep, { depth: Infinity, compact: true, breakLength: Infinity })",
        seen: Seen::Stdout("[Array: Inspection interrupted prematurely."),
    },
];

#[test]
fn every_sentence_of_v8_that_is_matched_is_recognised() {
    let server = Server::start_javascript(&[]);
    let mut missed = String::new();
    for sentence in SENTENCES {
        let answer = server.run(json!({ "code": sentence.code }));
        let (is_seen, expected) = match sentence.seen {
            Seen::Stdout(text) => (
                answer.outcome() == "success" && answer.stdout().contains(text),
                format!("success, and in stdout {text:?}"),
            ),
            Seen::Stderr(text) => (
                answer.outcome() == "error" && answer.stderr().contains(text),
                format!("error, and in stderr {text:?}"),
            ),
            Seen::MemoryLimit => (
                answer.outcome() == "memory_limit",
                "memory_limit".to_owned(),
            ),
        };
        if !is_seen {
            let Sentence {
                text, file, code, ..
            } = sentence;
            let outcome = answer.outcome();
            let stderr = answer.stderr();
            missed += &format!(
                "\n«{text}», which {file} matches:\n  program   {code:?}\n  expected  {expected}\n  \
                 seen      {outcome}, and in stderr {stderr:?}\n"
            );
        }
    }
    assert!(
        missed.is_empty(),
        "Our code does not know again what V8 says. Look what V8 says now, and match that: {PAGE}, \
         step 5 of deno_core and V8.\n{missed}"
    );
}

#[test]
fn the_page_on_upgrading_lists_every_sentence() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let page = std::fs::read_to_string(page).unwrap();
    let (_, table) = page.split_once("| sentence | where |").unwrap();
    let rows = table.lines().skip(2);
    let rows = rows.take_while(|line| line.trim_start().starts_with('|'));
    let mut listed = BTreeSet::new();
    for row in rows {
        let mut cells = row.split('|').skip(1);
        let (texts, file) = (cells.next().unwrap(), cells.next().unwrap());
        for text in texts.split('`').skip(1).step_by(2) {
            listed.insert((text, file.trim().trim_matches('`')));
        }
    }
    let tested = SENTENCES.map(|sentence| (sentence.text, sentence.file));
    assert_eq!(listed, BTreeSet::from(tested));
}
