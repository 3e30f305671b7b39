//! Which kind of decorators a program has.
//!
//! TypeScript's own old decorators (`experimentalDecorators`) are called with (target, key, descriptor),
//! those of ECMAScript with (value, context). Both are written in the same way, and the TypeScript compiler
//! is told by an option which it is. Here the declarations of the decorators tell.

use std::collections::HashMap;

use deno_ast::swc::ast;
use deno_ast::swc::atoms::Atom;
use deno_ast::swc::ecma_visit::Visit;
use deno_ast::swc::ecma_visit::VisitWith;

/// How a program's decorators are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// With (value, context), as in ECMAScript and TypeScript without options.
    Standard,
    /// With (target, key, descriptor), as with `experimentalDecorators`.
    Legacy,
}

/// Types of decorators and of their parameters that only one kind has.
const LEGACY_TYPES: [&str; 6] = [
    "ClassDecorator",
    "MethodDecorator",
    "ParameterDecorator",
    "PropertyDecorator",
    "PropertyDescriptor",
    "TypedPropertyDescriptor",
];
const CONTEXT: &str = "DecoratorContext";

/// Usual names of the second parameter.
const CONTEXT_NAMES: [&str; 4] = ["context", "ctx", "_context", "_ctx"];
const KEY_NAMES: [&str; 17] = [
    "key",
    "_key",
    "propertyKey",
    "_propertyKey",
    "propertyName",
    "property",
    "prop",
    "propName",
    "propKey",
    "methodName",
    "method",
    "memberName",
    "name",
    "field",
    "fieldName",
    "member",
    "attr",
];

/// What a context has.
const CONTEXT_MEMBERS: [&str; 6] = [
    "addInitializer",
    "access",
    "kind",
    "metadata",
    "private",
    "static",
];

/// The kind of a program's decorators; `None` if it has none.
pub fn kind_of(program: &ast::Program) -> Option<Kind> {
    let mut uses = Uses::default();
    program.visit_with(&mut uses);
    if uses.decorators.is_empty() {
        return None;
    }
    if uses.has_parameters_decorated {
        return Some(Kind::Legacy);
    }
    if uses.has_standard_syntax {
        return Some(Kind::Standard);
    }
    let mut functions = Functions::default();
    program.visit_with(&mut functions);
    let kinds: Vec<Kind> = uses
        .decorators
        .iter()
        .filter_map(|decorator| functions.kind_of(decorator, 0, MAX_STEPS))
        .collect();
    let is_legacy = kinds.contains(&Kind::Legacy) && !kinds.contains(&Kind::Standard);
    Some(if is_legacy {
        Kind::Legacy
    } else {
        Kind::Standard
    })
}

/// The decorators of a program.
#[derive(Default)]
struct Uses {
    decorators: Vec<ast::Expr>,
    has_parameters_decorated: bool,
    /// Whether something is decorated that only standard decorators can be on.
    has_standard_syntax: bool,
}

impl Visit for Uses {
    fn visit_decorator(&mut self, decorator: &ast::Decorator) {
        self.decorators.push((*decorator.expr).clone());
        decorator.visit_children_with(self);
    }

    fn visit_param(&mut self, parameter: &ast::Param) {
        self.has_parameters_decorated |= !parameter.decorators.is_empty();
        parameter.visit_children_with(self);
    }

    fn visit_ts_param_prop(&mut self, property: &ast::TsParamProp) {
        self.has_parameters_decorated |= !property.decorators.is_empty();
        property.visit_children_with(self);
    }

    fn visit_auto_accessor(&mut self, accessor: &ast::AutoAccessor) {
        self.has_standard_syntax |= !accessor.decorators.is_empty();
        accessor.visit_children_with(self);
    }

    fn visit_private_method(&mut self, method: &ast::PrivateMethod) {
        self.has_standard_syntax |= !method.function.decorators.is_empty();
        method.visit_children_with(self);
    }

    fn visit_private_prop(&mut self, property: &ast::PrivateProp) {
        self.has_standard_syntax |= !property.decorators.is_empty();
        property.visit_children_with(self);
    }
}

/// A function, as far as a decorator is concerned.
#[derive(Clone)]
struct Function {
    parameters: Vec<ast::Pat>,
    body: Body,
    /// The name of the type that it is declared to return.
    returns: Option<Atom>,
}

#[derive(Clone)]
enum Body {
    Block(ast::BlockStmt),
    Expression(Box<ast::Expr>),
}

/// How many names and calls are followed to find what a decorator is. Functions may return each other.
const MAX_STEPS: usize = 16;

/// The functions of a program by name. Where two have one name, the first counts.
#[derive(Default)]
struct Functions {
    by_name: HashMap<Atom, Function>,
    /// Kinds that the types of variables tell.
    declared: HashMap<Atom, Kind>,
}

impl Functions {
    fn add(&mut self, name: &Atom, function: Function) {
        self.by_name.entry(name.clone()).or_insert(function);
    }

    /// A member of a class or an object, if it is a function.
    fn add_member(&mut self, key: &ast::PropName, function: impl FnOnce() -> Option<Function>) {
        if let ast::PropName::Ident(name) = key
            && let Some(function) = function()
        {
            self.add(&name.sym, function);
        }
    }

    /// What a decorator tells; `calls` is how many times it is called before it decorates.
    fn kind_of(&self, decorator: &ast::Expr, calls: usize, steps: usize) -> Option<Kind> {
        let steps = steps.checked_sub(1)?;
        match decorator {
            ast::Expr::Paren(inner) => self.kind_of(&inner.expr, calls, steps),
            ast::Expr::Call(call) => match &call.callee {
                ast::Callee::Expr(callee) => self.kind_of(callee, calls + 1, steps),
                _ => None,
            },
            ast::Expr::Ident(name) => self.kind_of_name(&name.sym, calls, steps),
            ast::Expr::Member(member) => match &member.prop {
                ast::MemberProp::Ident(name) => self.kind_of_name(&name.sym, calls, steps),
                _ => None,
            },
            _ => self.kind_of_function(&function_of(decorator)?, calls, steps),
        }
    }

    fn kind_of_name(&self, name: &Atom, calls: usize, steps: usize) -> Option<Kind> {
        let declared = self.declared.get(name).copied();
        declared.or_else(|| self.kind_of_function(self.by_name.get(name)?, calls, steps))
    }

    fn kind_of_function(&self, function: &Function, calls: usize, steps: usize) -> Option<Kind> {
        if calls == 0 {
            return kind_of_signature(function);
        }
        if let Some(kind) = function.returns.as_deref().and_then(kind_of_type) {
            return Some(kind);
        }
        let mut returned = Returned::default();
        match &function.body {
            Body::Block(block) => block.visit_with(&mut returned),
            Body::Expression(expression) => returned.expressions.push((**expression).clone()),
        }
        returned
            .expressions
            .iter()
            .find_map(|expression| match function_of(expression) {
                Some(inner) => self.kind_of_function(&inner, calls - 1, steps),
                // A name that is declared in the function, or the result of another factory.
                None => self.kind_of(expression, calls - 1, steps),
            })
    }
}

fn function_of(expression: &ast::Expr) -> Option<Function> {
    match expression {
        ast::Expr::Paren(inner) => function_of(&inner.expr),
        ast::Expr::TsAs(inner) => function_of(&inner.expr),
        ast::Expr::TsSatisfies(inner) => function_of(&inner.expr),
        ast::Expr::Fn(function) => of_function(&function.function),
        ast::Expr::Arrow(arrow) => Some(Function {
            parameters: arrow.params.clone(),
            body: match &*arrow.body {
                ast::BlockStmtOrExpr::BlockStmt(block) => Body::Block(block.clone()),
                ast::BlockStmtOrExpr::Expr(expression) => Body::Expression(expression.clone()),
            },
            returns: arrow.return_type.as_deref().and_then(type_name),
        }),
        _ => None,
    }
}

fn of_function(function: &ast::Function) -> Option<Function> {
    Some(Function {
        parameters: function
            .params
            .iter()
            .map(|parameter| parameter.pat.clone())
            // Not passed by the caller.
            .filter(|pattern| !matches!(pattern, ast::Pat::Ident(name) if &*name.sym == "this"))
            .collect(),
        body: Body::Block(function.body.clone()?),
        returns: function.return_type.as_deref().and_then(type_name),
    })
}

/// The last name in a type: `PropertyDescriptor` of `PropertyDescriptor & { … }` and of `T.PropertyDescriptor`.
fn type_name(annotation: &ast::TsTypeAnn) -> Option<Atom> {
    fn name_of(type_: &ast::TsType) -> Option<Atom> {
        match type_ {
            ast::TsType::TsTypeRef(reference) => Some(match &reference.type_name {
                ast::TsEntityName::Ident(name) => name.sym.clone(),
                ast::TsEntityName::TsQualifiedName(name) => name.right.sym.clone(),
            }),
            ast::TsType::TsParenthesizedType(inner) => name_of(&inner.type_ann),
            ast::TsType::TsOptionalType(inner) => name_of(&inner.type_ann),
            ast::TsType::TsUnionOrIntersectionType(types) => {
                let types = match types {
                    ast::TsUnionOrIntersectionType::TsUnionType(types) => &types.types,
                    ast::TsUnionOrIntersectionType::TsIntersectionType(types) => &types.types,
                };
                types.iter().find_map(|type_| name_of(type_))
            }
            _ => None,
        }
    }
    name_of(&annotation.type_ann)
}

fn kind_of_type(name: &str) -> Option<Kind> {
    if LEGACY_TYPES.contains(&name) {
        Some(Kind::Legacy)
    } else {
        name.contains(CONTEXT).then_some(Kind::Standard)
    }
}

/// What the parameters of a decorator tell.
fn kind_of_signature(function: &Function) -> Option<Kind> {
    let inner = |pattern: &ast::Pat| match pattern {
        ast::Pat::Assign(assigned) => (*assigned.left).clone(),
        other => other.clone(),
    };
    let parameters: Vec<ast::Pat> = function.parameters.iter().map(inner).collect();
    let annotation = |pattern: &ast::Pat| match pattern {
        ast::Pat::Ident(name) => name.type_ann.clone(),
        ast::Pat::Object(object) => object.type_ann.clone(),
        _ => None,
    };
    let mut annotations = parameters.iter().filter_map(annotation);
    if let Some(kind) = annotations.find_map(|annotation| kind_of_type(&type_name(&annotation)?)) {
        return Some(kind);
    }
    let is_third_there = parameters.len() > 2 && !matches!(parameters[2], ast::Pat::Rest(_));
    if is_third_there {
        return Some(Kind::Legacy);
    }
    match parameters.get(1)? {
        ast::Pat::Object(_) => Some(Kind::Standard),
        ast::Pat::Ident(second) => kind_of_second(second, &function.body).or_else(|| {
            // What old decorators are given is called so in all that was written about them.
            let is_target =
                matches!(&parameters[0], ast::Pat::Ident(name) if &*name.sym == "target");
            is_target.then_some(Kind::Legacy)
        }),
        _ => None,
    }
}

/// What the second parameter tells: a context or a key.
fn kind_of_second(second: &ast::BindingIdent, body: &Body) -> Option<Kind> {
    if let Some(annotation) = &second.type_ann
        && is_key(&annotation.type_ann)
    {
        return Some(Kind::Legacy);
    }
    if CONTEXT_NAMES.contains(&&*second.sym) {
        return Some(Kind::Standard);
    }
    let mut usage = Usage {
        name: second.sym.clone(),
        is_context: false,
        is_key: false,
    };
    match body {
        Body::Block(block) => block.visit_with(&mut usage),
        Body::Expression(expression) => expression.visit_with(&mut usage),
    }
    if usage.is_context {
        Some(Kind::Standard)
    } else if usage.is_key || KEY_NAMES.contains(&&*second.sym) {
        Some(Kind::Legacy)
    } else {
        None
    }
}

/// Whether a type is one of keys: `string`, `string | symbol`, `PropertyKey`, `keyof T`.
fn is_key(type_: &ast::TsType) -> bool {
    match type_ {
        ast::TsType::TsKeywordType(keyword) => matches!(
            keyword.kind,
            ast::TsKeywordTypeKind::TsStringKeyword | ast::TsKeywordTypeKind::TsSymbolKeyword
        ),
        ast::TsType::TsTypeOperator(operator) => operator.op == ast::TsTypeOperatorOp::KeyOf,
        ast::TsType::TsTypeRef(reference) => {
            matches!(&reference.type_name, ast::TsEntityName::Ident(name) if &*name.sym == "PropertyKey")
        }
        ast::TsType::TsUnionOrIntersectionType(ast::TsUnionOrIntersectionType::TsUnionType(
            union,
        )) => union.types.iter().any(|type_| is_key(type_)),
        _ => false,
    }
}

/// How a parameter is used.
struct Usage {
    name: Atom,
    is_context: bool,
    is_key: bool,
}

impl Usage {
    fn is_it(&self, expression: &ast::Expr) -> bool {
        matches!(expression, ast::Expr::Ident(name) if name.sym == self.name)
    }
}

impl Visit for Usage {
    fn visit_member_expr(&mut self, member: &ast::MemberExpr) {
        match &member.prop {
            ast::MemberProp::Ident(name) if self.is_it(&member.obj) => {
                self.is_context |= CONTEXT_MEMBERS.contains(&&*name.sym) || &*name.sym == "name";
            }
            ast::MemberProp::Computed(computed) => self.is_key |= self.is_it(&computed.expr),
            _ => {}
        }
        member.visit_children_with(self);
    }

    fn visit_var_declarator(&mut self, declarator: &ast::VarDeclarator) {
        if let (ast::Pat::Object(_), Some(value)) = (&declarator.name, &declarator.init) {
            self.is_context |= self.is_it(value);
        }
        declarator.visit_children_with(self);
    }

    fn visit_tpl(&mut self, template: &ast::Tpl) {
        self.is_key |= template.exprs.iter().any(|inner| self.is_it(inner));
        template.visit_children_with(self);
    }

    fn visit_bin_expr(&mut self, binary: &ast::BinExpr) {
        if binary.op == ast::BinaryOp::Add {
            self.is_key |= self.is_it(&binary.left) || self.is_it(&binary.right);
        }
        binary.visit_children_with(self);
    }
}

/// What a function returns, without what functions inside it return.
#[derive(Default)]
struct Returned {
    expressions: Vec<ast::Expr>,
}

impl Visit for Returned {
    fn visit_return_stmt(&mut self, statement: &ast::ReturnStmt) {
        self.expressions
            .extend(statement.arg.iter().map(|value| (**value).clone()));
    }

    fn visit_function(&mut self, _: &ast::Function) {}
    fn visit_arrow_expr(&mut self, _: &ast::ArrowExpr) {}
    fn visit_class(&mut self, _: &ast::Class) {}
}

impl Visit for Functions {
    fn visit_fn_decl(&mut self, declaration: &ast::FnDecl) {
        if let Some(function) = of_function(&declaration.function) {
            self.add(&declaration.ident.sym, function);
        }
        declaration.visit_children_with(self);
    }

    fn visit_var_declarator(&mut self, declarator: &ast::VarDeclarator) {
        if let ast::Pat::Ident(name) = &declarator.name {
            let annotation = name.type_ann.as_deref().and_then(type_name);
            if let Some(kind) = annotation.as_deref().and_then(kind_of_type) {
                self.declared.insert(name.sym.clone(), kind);
            }
            if let Some(function) = declarator.init.as_deref().and_then(function_of) {
                self.add(&name.sym, function);
            }
        }
        declarator.visit_children_with(self);
    }

    fn visit_class_method(&mut self, method: &ast::ClassMethod) {
        self.add_member(&method.key, || of_function(&method.function));
        method.visit_children_with(self);
    }

    fn visit_class_prop(&mut self, property: &ast::ClassProp) {
        self.add_member(&property.key, || function_of(property.value.as_deref()?));
        property.visit_children_with(self);
    }

    fn visit_method_prop(&mut self, method: &ast::MethodProp) {
        self.add_member(&method.key, || of_function(&method.function));
        method.visit_children_with(self);
    }

    fn visit_key_value_prop(&mut self, property: &ast::KeyValueProp) {
        self.add_member(&property.key, || function_of(&property.value));
        property.visit_children_with(self);
    }
}
