//! Namespaces that are declared in several parts: each part sees what the others export.
//!
//! swc writes out each part by itself, so a name that another part exports would be looked for outside.
//! Here such names become members of the namespace (`x` becomes `A.x`), as the TypeScript compiler has it.

use std::collections::HashMap;
use std::collections::HashSet;

use deno_ast::swc::ast;
use deno_ast::swc::ast::Id;
use deno_ast::swc::atoms::Atom;
use deno_ast::swc::ecma_visit::Visit;
use deno_ast::swc::ecma_visit::VisitMut;
use deno_ast::swc::ecma_visit::VisitMutWith;
use deno_ast::swc::ecma_visit::VisitWith;
use deno_ast::swc::utils::QueryRef;
use deno_ast::swc::utils::RefRewriter;
use deno_ast::swc::utils::find_pat_ids;

/// Which namespace a declaration is a part of: the outermost one, which its scope names, and the
/// names of exported ones from there.
type Key = (Id, Vec<Atom>);

/// What is known of all parts of a namespace.
#[derive(Default)]
struct Symbol {
    parts: usize,
    exports: HashSet<Atom>,
}

/// Makes the parts of each namespace see each other's exports. Names have to be resolved.
pub fn merge(program: &mut ast::Program) {
    let mut parts = Parts::default();
    program.visit_with(&mut parts);
    let symbols: HashMap<Key, HashSet<Atom>> = parts
        .symbols
        .into_iter()
        .filter(|(_, symbol)| symbol.parts > 1)
        .map(|(key, symbol)| (key, symbol.exports))
        .collect();
    if !symbols.is_empty() {
        program.visit_mut_with(&mut Merge {
            symbols: &symbols,
            place: Place::default(),
        });
    }
}

/// The namespace around the current node, and whether the declaration that comes next is exported.
#[derive(Clone, Default)]
struct Place {
    namespace: Option<Key>,
    is_exported: bool,
}

impl Place {
    fn key_of(&self, name: &ast::Ident) -> Key {
        match &self.namespace {
            Some((root, path)) if self.is_exported => {
                let mut path = path.clone();
                path.push(name.sym.clone());
                (root.clone(), path)
            }
            _ => (name.to_id(), Vec::new()),
        }
    }
}

/// Finds the parts of each namespace.
#[derive(Default)]
struct Parts {
    symbols: HashMap<Key, Symbol>,
    place: Place,
}

impl Parts {
    fn enter(&mut self, name: &ast::Ident, visit: impl FnOnce(&mut Self)) {
        let key = self.place.key_of(name);
        self.symbols.entry(key.clone()).or_default().parts += 1;
        let inside = Place {
            namespace: Some(key),
            is_exported: false,
        };
        let outside = std::mem::replace(&mut self.place, inside);
        visit(self);
        self.place = outside;
    }

    fn export(&mut self, name: &Atom) {
        if let Some(key) = &self.place.namespace {
            let symbol = self.symbols.entry(key.clone()).or_default();
            symbol.exports.insert(name.clone());
        }
    }
}

impl Visit for Parts {
    fn visit_ts_module_decl(&mut self, declaration: &ast::TsModuleDecl) {
        if let (ast::TsModuleName::Ident(name), Some(body), false) =
            (&declaration.id, &declaration.body, declaration.declare)
        {
            self.enter(name, |parts| body.visit_with(parts));
        }
    }

    // The rest of `namespace A.B.C {}` is exported.
    fn visit_ts_namespace_decl(&mut self, declaration: &ast::TsNamespaceDecl) {
        self.export(&declaration.id.sym);
        self.place.is_exported = true;
        self.enter(&declaration.id, |parts| declaration.body.visit_with(parts));
    }

    fn visit_export_decl(&mut self, export: &ast::ExportDecl) {
        match &export.decl {
            ast::Decl::Var(variables) => {
                for (name, _) in find_pat_ids::<_, Id>(&variables.decls) {
                    self.export(&name);
                }
            }
            ast::Decl::Fn(function) => self.export(&function.ident.sym),
            ast::Decl::Class(class) => self.export(&class.ident.sym),
            ast::Decl::TsEnum(declaration) => self.export(&declaration.id.sym),
            ast::Decl::TsModule(declaration) => {
                if let ast::TsModuleName::Ident(name) = &declaration.id {
                    self.export(&name.sym);
                }
            }
            _ => {}
        }
        self.place.is_exported = true;
        export.visit_children_with(self);
        self.place.is_exported = false;
    }

    fn visit_ts_import_equals_decl(&mut self, import: &ast::TsImportEqualsDecl) {
        if import.is_export {
            self.export(&import.id.sym);
        }
    }

    // What is in a function or a block is not exported, and begins afresh.
    fn visit_block_stmt(&mut self, block: &ast::BlockStmt) {
        let outside = std::mem::take(&mut self.place);
        block.visit_children_with(self);
        self.place = outside;
    }
}

/// Rewrites the parts, those inside first.
struct Merge<'a> {
    symbols: &'a HashMap<Key, HashSet<Atom>>,
    place: Place,
}

impl Merge<'_> {
    fn enter<T>(&mut self, name: &ast::Ident, body: &mut T)
    where
        T: VisitMutWith<Self> + VisitWith<Declared> + for<'b> VisitMutWith<Rewriter<'b>>,
    {
        let key = self.place.key_of(name);
        let exports = self.symbols.get(&key);
        let inside = Place {
            namespace: Some(key),
            is_exported: false,
        };
        let outside = std::mem::replace(&mut self.place, inside);
        body.visit_mut_with(self);
        self.place = outside;
        let Some(exports) = exports else {
            return;
        };
        let mut declared = Declared::default();
        body.visit_with(&mut declared);
        body.visit_mut_with(&mut Rewriter(RefRewriter {
            query: Other {
                namespace: name,
                exports,
                declared: &declared.names,
            },
        }));
    }
}

impl VisitMut for Merge<'_> {
    fn visit_mut_ts_module_decl(&mut self, declaration: &mut ast::TsModuleDecl) {
        if let (ast::TsModuleName::Ident(name), Some(body), false) =
            (&declaration.id, &mut declaration.body, declaration.declare)
        {
            self.enter(name, body);
        }
    }

    fn visit_mut_ts_namespace_decl(&mut self, declaration: &mut ast::TsNamespaceDecl) {
        self.place.is_exported = true;
        self.enter(&declaration.id, &mut declaration.body);
    }

    fn visit_mut_export_decl(&mut self, export: &mut ast::ExportDecl) {
        self.place.is_exported = true;
        export.visit_mut_children_with(self);
        self.place.is_exported = false;
    }

    fn visit_mut_block_stmt(&mut self, block: &mut ast::BlockStmt) {
        let outside = std::mem::take(&mut self.place);
        block.visit_mut_children_with(self);
        self.place = outside;
    }
}

/// Names that are declared in a part, at any depth.
#[derive(Default)]
struct Declared {
    names: HashSet<Id>,
    /// Whether the pattern that comes next assigns to what is there.
    is_assigned: bool,
}

impl Declared {
    fn while_assigned(&mut self, is_assigned: bool, visit: impl FnOnce(&mut Self)) {
        let before = std::mem::replace(&mut self.is_assigned, is_assigned);
        visit(self);
        self.is_assigned = before;
    }
}

impl Visit for Declared {
    fn visit_binding_ident(&mut self, name: &ast::BindingIdent) {
        if !self.is_assigned {
            self.names.insert(name.to_id());
        }
    }

    fn visit_assign_pat_prop(&mut self, property: &ast::AssignPatProp) {
        property.key.visit_with(self);
        property.value.visit_with(self);
    }

    fn visit_assign_target(&mut self, target: &ast::AssignTarget) {
        self.while_assigned(true, |declared| target.visit_children_with(declared));
    }

    fn visit_for_head(&mut self, head: &ast::ForHead) {
        let is_assigned = matches!(head, ast::ForHead::Pat(_));
        self.while_assigned(is_assigned, |declared| head.visit_children_with(declared));
    }

    // A function within a pattern, as a default.
    fn visit_expr(&mut self, expression: &ast::Expr) {
        self.while_assigned(false, |declared| expression.visit_children_with(declared));
    }

    fn visit_fn_decl(&mut self, declaration: &ast::FnDecl) {
        self.names.insert(declaration.ident.to_id());
        declaration.visit_children_with(self);
    }

    fn visit_class_decl(&mut self, declaration: &ast::ClassDecl) {
        self.names.insert(declaration.ident.to_id());
        declaration.visit_children_with(self);
    }

    fn visit_fn_expr(&mut self, expression: &ast::FnExpr) {
        self.names
            .extend(expression.ident.iter().map(ast::Ident::to_id));
        expression.visit_children_with(self);
    }

    fn visit_class_expr(&mut self, expression: &ast::ClassExpr) {
        self.names
            .extend(expression.ident.iter().map(ast::Ident::to_id));
        expression.visit_children_with(self);
    }

    fn visit_ts_enum_decl(&mut self, declaration: &ast::TsEnumDecl) {
        self.names.insert(declaration.id.to_id());
        declaration.visit_children_with(self);
    }

    fn visit_ts_module_decl(&mut self, declaration: &ast::TsModuleDecl) {
        if let ast::TsModuleName::Ident(name) = &declaration.id {
            self.names.insert(name.to_id());
        }
        declaration.visit_children_with(self);
    }

    fn visit_ts_namespace_decl(&mut self, declaration: &ast::TsNamespaceDecl) {
        self.names.insert(declaration.id.to_id());
        declaration.visit_children_with(self);
    }

    fn visit_ts_import_equals_decl(&mut self, import: &ast::TsImportEqualsDecl) {
        self.names.insert(import.id.to_id());
    }
}

/// Rewrites references; what assigns to a name by a short property (`({ x } = o)`) is not done by swc.
struct Rewriter<'a>(RefRewriter<Other<'a>>);

impl VisitMut for Rewriter<'_> {
    fn visit_mut_prop(&mut self, property: &mut ast::Prop) {
        property.visit_mut_children_with(self);
        self.0.exit_prop(property);
    }

    fn visit_mut_pat(&mut self, pattern: &mut ast::Pat) {
        pattern.visit_mut_children_with(self);
        self.0.exit_pat(pattern);
    }

    fn visit_mut_object_pat_prop(&mut self, property: &mut ast::ObjectPatProp) {
        property.visit_mut_children_with(self);
        self.0.exit_object_pat_prop(property);
    }

    fn visit_mut_expr(&mut self, expression: &mut ast::Expr) {
        expression.visit_mut_children_with(self);
        self.0.exit_expr(expression);
    }

    fn visit_mut_simple_assign_target(&mut self, target: &mut ast::SimpleAssignTarget) {
        target.visit_mut_children_with(self);
        self.0.exit_simple_assign_target(target);
    }

    fn visit_mut_jsx_element_name(&mut self, name: &mut ast::JSXElementName) {
        name.visit_mut_children_with(self);
        self.0.exit_jsx_element_name(name);
    }

    fn visit_mut_jsx_object(&mut self, object: &mut ast::JSXObject) {
        object.visit_mut_children_with(self);
        self.0.exit_jsx_object(object);
    }
}

/// References to what other parts export.
struct Other<'a> {
    namespace: &'a ast::Ident,
    exports: &'a HashSet<Atom>,
    declared: &'a HashSet<Id>,
}

impl QueryRef for Other<'_> {
    fn query_ref(&self, name: &ast::Ident) -> Option<Box<ast::Expr>> {
        let is_other = self.exports.contains(&name.sym) && !self.declared.contains(&name.to_id());
        is_other.then(|| {
            Box::new(ast::Expr::Member(ast::MemberExpr {
                span: name.span,
                obj: Box::new(ast::Expr::Ident(ast::Ident {
                    span: name.span,
                    ..self.namespace.clone()
                })),
                prop: ast::MemberProp::Ident(name.clone().into()),
            }))
        })
    }

    fn query_lhs(&self, name: &ast::Ident) -> Option<Box<ast::Expr>> {
        self.query_ref(name)
    }

    fn query_jsx(&self, name: &ast::Ident) -> Option<ast::JSXElementName> {
        self.query_ref(name).map(|_| {
            ast::JSXElementName::JSXMemberExpr(ast::JSXMemberExpr {
                span: name.span,
                obj: ast::JSXObject::Ident(self.namespace.clone()),
                prop: name.clone().into(),
            })
        })
    }
}
