//! Programs whose declarations another program finds: the names that they declare at the top level become
//! properties of the global object.
//!
//! The text is changed as little as possible, so that functions show the text that was sent: `let x = 1`
//! becomes `x = 1`, `class C {…}` becomes `C=class C {…}`, and functions, which can be called before their
//! declaration, are assigned at the start, without their names: what calls them finds one that a later
//! program puts in their place. `var` within blocks counts, `let`, `const`, `class` and `function` there do
//! not.
//!
//! Lost are that a constant cannot be assigned to, and that a variable cannot be read before its
//! declaration: it is undefined then, or what the last program left.

use std::ops::Range;

use deno_ast::SourceRanged;
use deno_ast::SourceRangedForSpanned;
use deno_ast::StartSourcePos;
use deno_ast::swc::ast;
use deno_ast::swc::common::Spanned;
use deno_ast::swc::ecma_visit::Visit;
use deno_ast::swc::ecma_visit::VisitWith;
use deno_ast::swc::utils::find_pat_ids;

use super::moves::Moves;
use super::moves::Part;
use super::typescript;

/// A program whose top-level names are global.
pub struct Rewritten {
    /// The code that is to run, and the way back from it.
    pub moves: Moves,
    /// Properties of the global object that it assigns to, which have to be there.
    pub names: Vec<String>,
}

/// Makes the top-level names of a JavaScript program global. `None` if that cannot be done: the program then
/// has to run as it is.
pub fn rewrite(text: &str) -> Option<Rewritten> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // The name of an interpreter may only be at the very start.
    let without_interpreter = text.strip_prefix("#!").map(|rest| ["//", rest].concat());
    let text = without_interpreter.as_deref().unwrap_or(text);
    let look = |program: &ast::Program| Rewriter::look_at(text, program);
    typescript::look_at_javascript(text, look)
        .ok()
        .flatten()?
        .finish()
}

/// Where a declaration of variables is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Among {
    /// In a list of statements, where the one before it may lack its semicolon.
    Statements,
    /// The only statement of an `if` or a loop.
    Alone,
    /// The head of a `for`.
    Head,
}

/// What is to be changed.
struct Rewriter<'a> {
    text: &'a str,
    names: Vec<String>,
    /// Where functions go: behind the directives.
    start: usize,
    functions: Vec<Part>,
    /// What goes in place of parts of the text.
    edits: Vec<(Range<usize>, Vec<Part>)>,
    is_module: bool,
}

fn range_of(node: &impl Spanned) -> Range<usize> {
    let range = node.span().range();
    let index =
        |position: deno_ast::SourcePos| position.as_byte_index(StartSourcePos::START_SOURCE_POS);
    index(range.start())..index(range.end())
}

fn added(text: &str) -> Vec<Part> {
    vec![Part::Added(text.to_owned())]
}

impl<'a> Rewriter<'a> {
    fn look_at(text: &'a str, program: &ast::Program) -> Option<Self> {
        let mut rewriter = Self {
            text,
            names: Vec::new(),
            start: 0,
            functions: Vec::new(),
            edits: Vec::new(),
            is_module: false,
        };
        let statements: Vec<&ast::Stmt> = match program {
            ast::Program::Script(script) => script.body.iter().collect(),
            ast::Program::Module(module) => {
                let items = module.body.iter();
                items.filter_map(|item| item.as_stmt()).collect()
            }
        };
        let is_directive = |statement: &&&ast::Stmt| match statement {
            ast::Stmt::Expr(statement) => {
                matches!(*statement.expr, ast::Expr::Lit(ast::Lit::Str(_)))
            }
            _ => false,
        };
        let directives = statements.iter().take_while(is_directive);
        if let Some(last) = directives.last() {
            rewriter.start = range_of(*last).end;
        }
        for statement in statements {
            rewriter.statement(statement);
        }
        if let ast::Program::Module(module) = program {
            for item in &module.body {
                if let ast::ModuleItem::ModuleDecl(declaration) = item {
                    rewriter.is_module = true;
                    rewriter.export(declaration)?;
                }
            }
        }
        Some(rewriter)
    }

    fn statement(&mut self, statement: &ast::Stmt) {
        match statement {
            ast::Stmt::Decl(declaration) => self.declaration(declaration),
            _ => statement.visit_with(self),
        }
    }

    fn declaration(&mut self, declaration: &ast::Decl) {
        match declaration {
            ast::Decl::Var(declaration) => self.variables(declaration, Among::Statements),
            ast::Decl::Fn(declaration) => {
                self.function(&declaration.ident, &declaration.function);
                self.replace(range_of(&declaration.function), added(";"));
            }
            ast::Decl::Class(declaration) => self.class(&declaration.ident, &declaration.class),
            // `using` ends with the program.
            _ => {}
        }
    }

    /// What a module exports stays in the realm.
    fn export(&mut self, declaration: &ast::ModuleDecl) -> Option<()> {
        let whole = range_of(declaration);
        match declaration {
            ast::ModuleDecl::ExportDecl(export) => {
                let start = range_of(&export.decl).start;
                let start = match &export.decl {
                    ast::Decl::Fn(declaration) => range_of(&declaration.function).start,
                    ast::Decl::Class(declaration) => range_of(&declaration.class).start,
                    _ => start,
                };
                self.replace(whole.start..start, Vec::new());
                self.declaration(&export.decl);
            }
            ast::ModuleDecl::ExportDefaultDecl(export) => match &export.decl {
                ast::DefaultDecl::Fn(function) => {
                    if let Some(name) = &function.ident {
                        self.function(name, &function.function);
                    }
                    self.replace(whole, added(";"));
                }
                ast::DefaultDecl::Class(class) => {
                    let inner = range_of(&class.class);
                    self.replace(whole.start..inner.start, Vec::new());
                    match &class.ident {
                        Some(name) => self.class(name, &class.class),
                        None => {
                            self.insert(inner.start, ";(");
                            self.insert(inner.end, ");");
                        }
                    }
                }
                ast::DefaultDecl::TsInterfaceDecl(_) => return None,
            },
            ast::ModuleDecl::ExportDefaultExpr(export) => {
                let inner = range_of(&export.expr);
                self.replace(whole.start..inner.start, added(";("));
                self.insert(inner.end, ");");
            }
            ast::ModuleDecl::ExportNamed(export) if export.src.is_none() => {
                self.replace(whole, added(";"));
            }
            _ => return None,
        }
        Some(())
    }

    /// Has a function assigned at the start.
    fn function(&mut self, name: &ast::Ident, function: &ast::Function) {
        let (whole, named) = (range_of(function), range_of(name));
        let name_as_written = self.text.get(named.clone()).unwrap_or_default();
        self.functions
            .push(Part::Added(format!(";{name_as_written}=")));
        self.functions.push(Part::Copied(whole.start..named.start));
        self.functions.push(Part::Copied(named.end..whole.end));
        self.names.push(name.sym.to_string());
    }

    /// A class keeps its name, since its own static members may need it before it is assigned.
    fn class(&mut self, name: &ast::Ident, class: &ast::Class) {
        let whole = range_of(class);
        let name_as_written = self.text.get(range_of(name)).unwrap_or_default();
        self.insert(whole.start, &format!(";{name_as_written}="));
        self.insert(whole.end, ";");
        self.names.push(name.sym.to_string());
    }

    fn variables(&mut self, declaration: &ast::VarDecl, among: Among) {
        let whole = range_of(declaration);
        let keyword = match declaration.kind {
            ast::VarDeclKind::Const => "const",
            ast::VarDeclKind::Let => "let",
            ast::VarDeclKind::Var => "var",
        };
        let is_statement = among != Among::Head;
        let has_pattern = declaration.decls.iter().any(|one| !one.name.is_ident());
        let semicolon = if among == Among::Statements { ";" } else { "" };
        let bracket = if is_statement && has_pattern { "(" } else { "" };
        let start = format!("{semicolon}{bracket}");
        // As long as what it replaces, so that columns stay.
        let start = format!("{start:<width$}", width = keyword.len());
        self.replace(whole.start..whole.start + keyword.len(), added(&start));
        for declarator in &declaration.decls {
            if let Some(name) = enum_name(declarator)
                && is_statement
                && !self.names.iter().any(|seen| *seen == name.sym.as_str())
            {
                let start = range_of(declarator).start;
                self.insert(start, &format!("{}=void 0, ", name.sym));
            }
            let names = find_pat_ids::<_, ast::Ident>(&declarator.name).into_iter();
            self.names.extend(names.map(|name| name.sym.to_string()));
            let is_reset = declaration.kind != ast::VarDeclKind::Var && declarator.init.is_none();
            if is_statement && is_reset {
                self.insert(range_of(declarator).end, "=void 0");
            }
        }
        if !is_statement {
            return;
        }
        if has_pattern && let Some(last) = declaration.decls.last() {
            self.insert(range_of(last).end, ")");
        }
        let is_ended = self
            .text
            .get(whole.clone())
            .is_some_and(|text| text.ends_with(';'));
        if !is_ended {
            self.insert(whole.end, ";");
        }
    }

    fn replace(&mut self, range: Range<usize>, parts: Vec<Part>) {
        self.edits.push((range, parts));
    }

    fn insert(&mut self, index: usize, text: &str) {
        self.replace(index..index, added(text));
    }

    fn finish(mut self) -> Option<Rewritten> {
        let mut functions = std::mem::take(&mut self.functions);
        if !functions.is_empty() {
            functions.push(Part::Added(";".to_owned()));
        }
        self.edits.insert(0, (self.start..self.start, functions));
        if self.is_module {
            self.edits.insert(0, (0..0, added("\"use strict\";")));
        }
        self.edits.sort_by_key(|(range, _)| range.start);
        let mut parts = Vec::new();
        let mut done = 0;
        for (range, replacement) in self.edits {
            if range.start > done {
                parts.push(Part::Copied(done..range.start));
            }
            parts.extend(replacement);
            done = range.end.max(done);
        }
        parts.push(Part::Copied(done..self.text.len()));
        Some(Rewritten {
            moves: Moves::new(self.text, &parts)?,
            names: self.names,
        })
    }
}

/// Finds `var` within blocks: it belongs to the program, too.
impl Visit for Rewriter<'_> {
    fn visit_stmts(&mut self, statements: &[ast::Stmt]) {
        for statement in statements {
            match statement {
                ast::Stmt::Decl(ast::Decl::Var(declaration)) if is_var(declaration) => {
                    self.variables(declaration, Among::Statements);
                }
                _ => statement.visit_with(self),
            }
        }
    }

    fn visit_for_head(&mut self, head: &ast::ForHead) {
        if let ast::ForHead::VarDecl(declaration) = head
            && is_var(declaration)
        {
            self.variables(declaration, Among::Head);
        }
    }

    fn visit_var_decl_or_expr(&mut self, head: &ast::VarDeclOrExpr) {
        if let ast::VarDeclOrExpr::VarDecl(declaration) = head
            && is_var(declaration)
        {
            self.variables(declaration, Among::Head);
        }
    }

    fn visit_var_decl(&mut self, declaration: &ast::VarDecl) {
        if is_var(declaration) {
            self.variables(declaration, Among::Alone);
        }
    }

    // What is declared in there belongs there.

    fn visit_expr(&mut self, _: &ast::Expr) {}

    fn visit_function(&mut self, _: &ast::Function) {}

    fn visit_class(&mut self, _: &ast::Class) {}
}

/// The name of an enum as the TypeScript compiler writes it, `var A = function (A) {…}(A || {})`: it does not
/// add to one of the program before. (A namespace does, which nothing tells from a part of its own program's.)
fn enum_name(declarator: &ast::VarDeclarator) -> Option<&ast::Ident> {
    let name = &declarator.name.as_ident()?.id;
    let argument = declarator.init.as_ref()?.as_call()?.args.last()?;
    let either = argument.expr.as_bin()?;
    let before = either.left.as_ident()?;
    (either.op == ast::BinaryOp::LogicalOr && before.sym == name.sym).then_some(name)
}

fn is_var(declaration: &ast::VarDecl) -> bool {
    declaration.kind == ast::VarDeclKind::Var
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::Place;

    fn rewritten(text: &str) -> String {
        rewrite(text).unwrap().moves.text().to_owned()
    }

    fn names(text: &str) -> Vec<String> {
        rewrite(text).unwrap().names
    }

    #[test]
    fn declarations_become_assignments_of_the_same_width() {
        for (text, expected) in [
            ("let x = 1;", ";   x = 1;"),
            ("const x = 1, y = 2", ";     x = 1, y = 2;"),
            ("let x;", ";   x=void 0;"),
            ("let x, y = 1\n(z)", ";   x=void 0, y = 1\n(z);"),
            ("var x;", ";   x;"),
            ("var x\n", ";   x;\n"),
            ("f()\nlet [a] = b", "f()\n;(  [a] = b);"),
            (
                "const {a, b: {c = 1}, ...d} = o;",
                ";(    {a, b: {c = 1}, ...d} = o);",
            ),
            ("let {a} = o, b", ";(  {a} = o, b=void 0);"),
            (
                "class C { static one = new C() }",
                ";C=class C { static one = new C() };",
            ),
        ] {
            assert_eq!(rewritten(text), expected);
        }
        assert_eq!(
            names("const {a, b: {c = (d) => d}, ...e} = o, [f,, g] = p"),
            ["a", "c", "e", "f", "g"]
        );
    }

    #[test]
    fn functions_are_assigned_at_the_start_behind_the_directives() {
        assert_eq!(
            rewritten("f();\nasync function f(a) { return a }\nfunction* g() {}"),
            ";f=async function (a) { return a };g=function* () {};f();\n;\n;"
        );
        assert_eq!(
            rewritten("'use strict' // yes\nfunction f() {}"),
            "'use strict';f=function () {}; // yes\n;"
        );
        assert_eq!(
            rewritten("#!/usr/bin/node\nfunction f() {}"),
            ";f=function () {};///usr/bin/node\n;"
        );
    }

    #[test]
    fn of_blocks_only_var_counts() {
        for (text, expected) in [
            (
                "if (a) var b = 1; else var {c} = d",
                "if (a)     b = 1; else (   {c} = d);",
            ),
            (
                "for (var i = 0, n; i < 1; i++) { let a; var b }",
                "for (    i = 0, n; i < 1; i++) { let a; ;   b; }",
            ),
            ("for (var [k] of o) {}", "for (    [k] of o) {}"),
            (
                "for (const k in o) { class C {} }",
                "for (const k in o) { class C {} }",
            ),
            (
                "{ const f = function () { var a } }",
                "{ const f = function () { var a } }",
            ),
            (
                "switch (a) { case 1: var b = 2 }",
                "switch (a) { case 1: ;   b = 2; }",
            ),
        ] {
            assert_eq!(rewritten(text), expected);
        }
    }

    #[test]
    fn exports_are_declarations_and_imports_are_left_to_v8() {
        for (text, expected) in [
            ("export const x = 1;", "\"use strict\";;     x = 1;"),
            (
                "export function f() {}",
                "\"use strict\";;f=function () {};;",
            ),
            ("export default class C {}", "\"use strict\";;C=class C {};"),
            ("export default 1 + 1;", "\"use strict\";;(1 + 1);;"),
            ("let a; export { a as b }", "\"use strict\";;   a=void 0; ;"),
        ] {
            assert_eq!(rewritten(text), expected);
        }
        assert!(rewrite("import a from 'b'").is_none());
        assert!(rewrite("export * from 'b'").is_none());
    }

    #[test]
    fn an_enum_does_not_add_to_one_of_the_program_before() {
        assert_eq!(
            rewritten("var A = function(A) {}(A || {});"),
            ";   A=void 0, A = function(A) {}(A || {});"
        );
        let merged = typescript::translate("enum A { X } enum A { Y = 1 }").unwrap();
        let code = rewritten(&merged.code);
        assert_eq!(code.matches("=void 0").count(), 1, "{code}");
    }

    #[test]
    fn what_cannot_be_parsed_is_left_alone() {
        assert!(rewrite("let = = 1").is_none());
    }

    #[test]
    fn awaiting_and_returning_stay_as_they_are() {
        assert_eq!(
            rewritten("let x = await f();\nreturn x"),
            ";   x = await f();\nreturn x"
        );
    }

    #[test]
    fn places_lead_back_to_the_text_that_was_sent() {
        let text = "let a = 1\nf()\nfunction f() {\n  throw 'é' + a\n}\nconst {b} = a; g()";
        let moves = rewrite(text).unwrap().moves;
        for word in ["throw", "+ a", "{b}", "g()"] {
            let before = text.find(word).unwrap();
            let after = moves.text().find(word).unwrap();
            let place = Place::of(moves.text(), after);
            assert_eq!(
                moves.original(place),
                Some(Place::of(text, before)),
                "{word}"
            );
        }
    }
}
