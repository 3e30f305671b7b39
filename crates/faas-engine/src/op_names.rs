//! Which ops deno_core, deno_web and deno_webidl declare, in the versions that are built.
//!
//! An op is a way out of the realm. `op_names.txt` has the ones that somebody has looked at, so that
//! an upgrade shows what came and what went.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::LazyLock;

use deno_core::Extension;
use deno_core::JsRuntime;
use deno_core::RuntimeOptions;

/// One line each: the crate, a space, the op's name.
const SEEN: &str = include_str!("op_names.txt");
const SEEN_PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/op_names.txt");

/// Where the realms' ops are chosen, and the text of it.
const CHOICES: [(&str, &str); 2] = [
    (
        "is_kept in crates/faas-engine/src/python/realm.rs",
        include_str!("python/realm.rs"),
    ),
    (
        "choose in crates/faas-engine/src/javascript/realm.rs",
        include_str!("javascript/realm.rs"),
    ),
];

/// Ops that deno_core has of its own. Only a middleware sees them.
fn built_in() -> Vec<&'static str> {
    let names = Rc::new(RefCell::new(Vec::new()));
    let seen = names.clone();
    let extension = Extension {
        name: "faas_op_names",
        middleware_fn: Some(Box::new(move |op| {
            seen.borrow_mut().push(op.name);
            op
        })),
        ..Extension::default()
    };
    let runtime = JsRuntime::try_new(RuntimeOptions {
        extensions: vec![extension],
        ..RuntimeOptions::default()
    });
    drop(runtime.unwrap());
    names.take()
}

/// Ops of an extension, and methods of the objects that it implements in Rust. No middleware can
/// disable those.
fn names_of(extension: &Extension) -> Vec<String> {
    let ops = extension.ops.iter().map(|op| op.name.to_owned());
    let methods = extension.objects.iter().flat_map(|object| {
        let all = object.constructor.iter();
        let all = all.chain(object.methods).chain(object.static_methods);
        all.map(|method| format!("{}.{}", object.name.0, method.name))
    });
    ops.chain(methods).collect()
}

/// All of them, as lines of the file.
///
/// Found once: V8 wants to be used by the thread that initialised it, and each test has its own.
static DECLARED: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let core = built_in().into_iter().map(|op| format!("deno_core {op}"));
    let extensions = [
        deno_webidl::deno_webidl::init(),
        deno_web::deno_web::init(
            Arc::new(deno_web::BlobStore::default()),
            None,
            false,
            deno_web::InMemoryBroadcastChannel::default(),
        ),
    ];
    let others = extensions.iter().flat_map(|extension| {
        let names = names_of(extension).into_iter();
        names.map(|name| format!("{} {name}", extension.name))
    });
    core.chain(others).collect()
});

/// Names of ops that a source text has in quotes, without our own ops.
fn quoted(text: &str) -> Vec<&str> {
    let starts = text.match_indices("\"op_").map(|(at, _)| at + 1);
    let names = starts.filter_map(|start| Some(text[start..].split_once('"')?.0));
    names.filter(|name| !name.starts_with("op_faas_")).collect()
}

/// Beginnings of names that the JavaScript realm keeps, whatever follows.
fn families() -> Vec<&'static str> {
    let (_, after) = CHOICES[1].1.split_once("const KEPT_FAMILIES").unwrap();
    quoted(after.split_once("];").unwrap().0)
}

/// Run with UPDATE_OP_NAMES=1 to write the file instead.
#[test]
fn the_ops_that_the_crates_declare_are_the_ones_that_were_looked_at() {
    let declared = &*DECLARED;
    for krate in ["deno_core op_", "deno_web op_", "deno_web DOMPoint."] {
        let is_there = declared.iter().any(|line| line.starts_with(krate));
        assert!(is_there, "no {krate} among {declared:?}");
    }
    if std::env::var_os("UPDATE_OP_NAMES").is_some() {
        let lines: String = declared.iter().map(|line| format!("{line}\n")).collect();
        std::fs::write(SEEN_PATH, lines).unwrap();
        return;
    }
    let seen: BTreeSet<String> = SEEN.lines().map(str::to_owned).collect();
    let families = families();
    let new = declared.difference(&seen).map(|line| {
        let (_, name) = line.split_once(' ').unwrap();
        let family = families.iter().find(|family| name.starts_with(*family));
        match family {
            _ if !name.starts_with("op_") => format!("{line} (nothing disables methods)"),
            Some(family) => format!("{line} (JavaScript keeps it: {family}…)"),
            None => format!("{line} (disabled)"),
        }
    });
    let new: Vec<String> = new.collect();
    let gone: Vec<&str> = seen.difference(declared).map(String::as_str).collect();
    assert!(
        new.is_empty() && gone.is_empty(),
        "The ops of deno_core, deno_web or deno_webidl are others than those in\n\
         crates/faas-engine/src/op_names.txt.\n\n\
         New:\n  {}\n\nGone:\n  {}\n\n\
         Read what each new one does, decide who may call it, and look for what replaces those that \
         are gone: docs/upgrading.md, step 4 of deno_core and V8. Then write the file with\n\
         UPDATE_OP_NAMES=1 cargo test --release --locked --workspace --lib op_names\n",
        new.join("\n  "),
        gone.join("\n  "),
    );
}

#[test]
fn every_op_that_a_realm_chooses_by_name_exists() {
    let declared = &*DECLARED;
    let is_op = |fits: &dyn Fn(&str) -> bool| {
        let mut names = declared.iter().filter_map(|line| line.split_once(' '));
        names.any(|(_, name)| fits(name))
    };
    let families = families();
    let mut missing = Vec::new();
    for (choice, text) in CHOICES {
        let names = quoted(text);
        assert!(names.len() > 4, "{choice}: found only {names:?}");
        for name in names {
            let is_there = if families.contains(&name) {
                is_op(&|op| op.starts_with(name))
            } else {
                is_op(&|op| op == name)
            };
            if !is_there {
                missing.push(format!("{name}, in {choice}"));
            }
        }
    }
    assert!(
        missing.is_empty(),
        "No op has these names any more:\n  {}\n\
         Find the new name, or leave it out: docs/upgrading.md, step 4 of deno_core and V8.\n",
        missing.join("\n  "),
    );
}
