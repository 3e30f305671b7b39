//! Enum members whose value the compiler knows: made from literals, other members and constants.
//!
//! swc knows only literals and members. What it does not know it takes for a number, writes a reverse
//! mapping, and has no value for the member after it. Here what the TypeScript compiler evaluates is put
//! in as a literal.

use std::collections::HashMap;

use deno_ast::swc::ast;
use deno_ast::swc::ast::BinaryOp;
use deno_ast::swc::ast::Id;
use deno_ast::swc::ast::UnaryOp;
use deno_ast::swc::atoms::Atom;
use deno_ast::swc::common::Span;
use deno_ast::swc::common::Spanned;
use deno_ast::swc::common::SyntaxContext;
use deno_ast::swc::ecma_visit::VisitMut;
use deno_ast::swc::ecma_visit::VisitMutWith;
use deno_ast::swc::utils::number::JsNumber;
use deno_ast::swc::utils::number::ToJsString;

/// Longest text that is put in as a literal, in bytes: constants that double each other grow fast.
const MAX_TEXT: usize = 1 << 16;

/// The value of a constant.
#[derive(Clone)]
enum Value {
    Number(JsNumber),
    Text(String),
}

/// A constant: a name that its scope has, and names of members from there.
type Path = (Id, Vec<Atom>);

/// Puts literals in place of what the compiler can evaluate. Names have to be resolved; those that are
/// declared nowhere have the context `unresolved`.
pub fn evaluate(program: &mut ast::Program, unresolved: SyntaxContext) {
    program.visit_mut_with(&mut Evaluator {
        unresolved,
        known: HashMap::new(),
        namespaces: Vec::new(),
        is_exported: false,
    });
}

/// The name of an enum's member.
fn name_of(id: &ast::TsEnumMemberId) -> Atom {
    match id {
        ast::TsEnumMemberId::Ident(name) => name.sym.clone(),
        ast::TsEnumMemberId::Str(text) => text.value.to_atom_lossy().into_owned(),
    }
}

/// Goes through a program in the order of its text: a constant counts from its declaration on.
struct Evaluator {
    unresolved: SyntaxContext,
    known: HashMap<Path, Value>,
    /// Namespaces around the current node, each with whether it is exported by the one before.
    namespaces: Vec<(Id, bool)>,
    /// Whether the declaration that comes next is exported.
    is_exported: bool,
}

impl Evaluator {
    /// Remembers a constant under all paths that lead to it.
    fn learn(&mut self, name: &Id, member: Option<&Atom>, is_exported: bool, value: &Value) {
        let mut path: Vec<Atom> = member.into_iter().cloned().collect();
        self.known
            .insert((name.clone(), path.clone()), value.clone());
        let mut name = name.clone();
        let mut is_exported = is_exported;
        for (namespace, is_namespace_exported) in self.namespaces.iter().rev() {
            if !is_exported {
                break;
            }
            path.insert(0, name.0.clone());
            self.known
                .insert((namespace.clone(), path.clone()), value.clone());
            name = namespace.clone();
            is_exported = *is_namespace_exported;
        }
    }

    fn value_of(&self, expression: &ast::Expr, of_enum: Option<&ast::TsEnumDecl>) -> Option<Value> {
        let value = match expression {
            ast::Expr::Lit(ast::Lit::Num(number)) => Value::Number(number.value.into()),
            ast::Expr::Lit(ast::Lit::Str(text)) => Value::Text(text.value.as_str()?.to_owned()),
            ast::Expr::Paren(inner) => self.value_of(&inner.expr, of_enum)?,
            ast::Expr::Unary(unary) => self.value_of_unary(unary, of_enum)?,
            ast::Expr::Bin(binary) => self.value_of_binary(binary, of_enum)?,
            ast::Expr::Tpl(template) => {
                let mut text = String::new();
                for (index, quasi) in template.quasis.iter().enumerate() {
                    text.push_str(quasi.cooked.as_ref()?.as_str()?);
                    if let Some(inner) = template.exprs.get(index) {
                        text.push_str(&self.value_of(inner, of_enum)?.into_text());
                    }
                }
                Value::Text(text)
            }
            ast::Expr::Ident(name) => self.value_of_name(name, of_enum)?,
            ast::Expr::Member(_) => self.known.get(&path_of(expression)?)?.clone(),
            _ => return None,
        };
        match &value {
            Value::Text(text) if text.len() > MAX_TEXT => None,
            _ => Some(value),
        }
    }

    fn value_of_name(&self, name: &ast::Ident, of_enum: Option<&ast::TsEnumDecl>) -> Option<Value> {
        if let Some(of_enum) = of_enum {
            let member = (of_enum.id.to_id(), vec![name.sym.clone()]);
            if let Some(value) = self.known.get(&member) {
                return Some(value.clone());
            }
            if of_enum
                .members
                .iter()
                .any(|other| name_of(&other.id) == name.sym)
            {
                return None;
            }
        }
        if name.ctxt == self.unresolved {
            return match &*name.sym {
                "Infinity" => Some(Value::Number(f64::INFINITY.into())),
                "NaN" => Some(Value::Number(f64::NAN.into())),
                _ => None,
            };
        }
        self.known.get(&(name.to_id(), Vec::new())).cloned()
    }

    fn value_of_unary(
        &self,
        unary: &ast::UnaryExpr,
        of_enum: Option<&ast::TsEnumDecl>,
    ) -> Option<Value> {
        let Value::Number(number) = self.value_of(&unary.arg, of_enum)? else {
            return None;
        };
        Some(Value::Number(match unary.op {
            UnaryOp::Plus => number,
            UnaryOp::Minus => -number,
            UnaryOp::Tilde => !number,
            _ => return None,
        }))
    }

    fn value_of_binary(
        &self,
        binary: &ast::BinExpr,
        of_enum: Option<&ast::TsEnumDecl>,
    ) -> Option<Value> {
        let left = self.value_of(&binary.left, of_enum)?;
        let right = self.value_of(&binary.right, of_enum)?;
        let (Value::Number(left), Value::Number(right)) = (&left, &right) else {
            let is_sum = binary.op == BinaryOp::Add;
            return is_sum.then(|| Value::Text([left.into_text(), right.into_text()].concat()));
        };
        let (left, right) = (*left, *right);
        Some(Value::Number(match binary.op {
            BinaryOp::Add => left + right,
            BinaryOp::Sub => left - right,
            BinaryOp::Mul => left * right,
            BinaryOp::Div => left / right,
            BinaryOp::Mod => left % right,
            BinaryOp::Exp => left.pow(right),
            BinaryOp::LShift => left << right,
            BinaryOp::RShift => left >> right,
            BinaryOp::ZeroFillRShift => left.unsigned_shr(right),
            BinaryOp::BitOr => left | right,
            BinaryOp::BitAnd => left & right,
            BinaryOp::BitXor => left ^ right,
            _ => return None,
        }))
    }

    fn literal(&self, value: Value, span: Span) -> ast::Expr {
        match value {
            Value::Text(text) => ast::Expr::Lit(ast::Lit::Str(ast::Str {
                span,
                value: text.into(),
                raw: None,
            })),
            Value::Number(number) if number.is_nan() => self.global("NaN", span),
            Value::Number(number) if number.is_infinite() => {
                let infinity = self.global("Infinity", span);
                if number.is_sign_positive() {
                    return infinity;
                }
                ast::Expr::Unary(ast::UnaryExpr {
                    span,
                    op: UnaryOp::Minus,
                    arg: Box::new(infinity),
                })
            }
            Value::Number(number) => ast::Expr::Lit(ast::Lit::Num(ast::Number {
                span,
                value: *number,
                raw: None,
            })),
        }
    }

    fn global(&self, name: &str, span: Span) -> ast::Expr {
        ast::Expr::Ident(ast::Ident {
            span,
            sym: name.into(),
            ctxt: self.unresolved,
            optional: false,
        })
    }
}

impl Value {
    fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Number(number) => number.to_js_string(),
        }
    }
}

/// The path that an expression like `A.B["c"]` takes.
fn path_of(expression: &ast::Expr) -> Option<Path> {
    match expression {
        ast::Expr::Ident(name) => Some((name.to_id(), Vec::new())),
        ast::Expr::Paren(inner) => path_of(&inner.expr),
        ast::Expr::Member(member) => {
            let name = match &member.prop {
                ast::MemberProp::Ident(name) => name.sym.clone(),
                ast::MemberProp::Computed(computed) => match &*computed.expr {
                    ast::Expr::Lit(ast::Lit::Str(text)) => text.value.to_atom_lossy().into_owned(),
                    _ => return None,
                },
                ast::MemberProp::PrivateName(_) => return None,
            };
            let (root, mut path) = path_of(&member.obj)?;
            path.push(name);
            Some((root, path))
        }
        _ => None,
    }
}

impl VisitMut for Evaluator {
    fn visit_mut_var_decl(&mut self, declaration: &mut ast::VarDecl) {
        let is_exported = std::mem::take(&mut self.is_exported);
        let is_constant = declaration.kind == ast::VarDeclKind::Const && !declaration.declare;
        for declarator in &mut declaration.decls {
            declarator.visit_mut_with(self);
            if let (true, ast::Pat::Ident(name), Some(value)) =
                (is_constant, &declarator.name, &declarator.init)
                && name.type_ann.is_none()
                && let Some(value) = self.value_of(value, None)
            {
                self.learn(&name.to_id(), None, is_exported, &value);
            }
        }
    }

    fn visit_mut_ts_enum_decl(&mut self, declaration: &mut ast::TsEnumDecl) {
        let is_exported = std::mem::take(&mut self.is_exported);
        // An enum of constants is there at run time, like any other: swc, which can put its
        // values in where they are used, does not see all such places.
        if std::mem::take(&mut declaration.is_const) {
            declaration.declare = false;
        }
        if declaration.declare {
            return;
        }
        let id = declaration.id.to_id();
        let mut next = Some(JsNumber::from(0.0));
        for index in 0..declaration.members.len() {
            let value = match &declaration.members[index].init {
                Some(value) => self.value_of(value, Some(declaration)),
                None => next.map(Value::Number),
            };
            next = match &value {
                Some(Value::Number(number)) => Some(*number + 1.0.into()),
                _ => None,
            };
            let member = &mut declaration.members[index];
            match value {
                Some(value) => {
                    self.learn(&id, Some(&name_of(&member.id)), is_exported, &value);
                    if let Some(init) = &mut member.init {
                        **init = self.literal(value, init.span());
                    }
                }
                None => member.init.visit_mut_with(self),
            }
        }
    }

    fn visit_mut_ts_module_decl(&mut self, declaration: &mut ast::TsModuleDecl) {
        let is_exported = std::mem::take(&mut self.is_exported);
        if let ast::TsModuleName::Ident(name) = &declaration.id
            && !declaration.declare
        {
            self.namespaces.push((name.to_id(), is_exported));
            declaration.body.visit_mut_with(self);
            self.namespaces.pop();
        }
    }

    fn visit_mut_ts_namespace_decl(&mut self, declaration: &mut ast::TsNamespaceDecl) {
        self.namespaces.push((declaration.id.to_id(), true));
        declaration.body.visit_mut_with(self);
        self.namespaces.pop();
    }

    fn visit_mut_export_decl(&mut self, export: &mut ast::ExportDecl) {
        self.is_exported = true;
        export.visit_mut_children_with(self);
        self.is_exported = false;
    }

    // What is in a function or a block is not exported.
    fn visit_mut_block_stmt(&mut self, block: &mut ast::BlockStmt) {
        let is_exported = std::mem::take(&mut self.is_exported);
        let namespaces = std::mem::take(&mut self.namespaces);
        block.visit_mut_children_with(self);
        self.namespaces = namespaces;
        self.is_exported = is_exported;
    }
}
