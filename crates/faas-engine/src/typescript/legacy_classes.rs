//! Classes with decorators of the old kind, made as the TypeScript compiler makes them.

use deno_ast::swc::ast;
use deno_ast::swc::common::DUMMY_SP;
use deno_ast::swc::common::Span;
use deno_ast::swc::ecma_visit::VisitMut;
use deno_ast::swc::ecma_visit::VisitMutWith;
use deno_ast::swc::utils::constructor::inject_after_super;
use deno_ast::swc::utils::default_constructor_with_span;

/// Whether a member of a class has decorators, itself or for a parameter.
fn is_decorated(member: &ast::ClassMember) -> bool {
    match member {
        ast::ClassMember::Method(method) => {
            let mut parameters = method.function.params.iter();
            !method.function.decorators.is_empty()
                || parameters.any(|parameter| !parameter.decorators.is_empty())
        }
        ast::ClassMember::ClassProp(field) => !field.decorators.is_empty(),
        _ => false,
    }
}

/// Puts static members behind the others: the TypeScript compiler calls their old decorators last, swc in
/// the order of the text. Members of instances do nothing when a class is made, unless their names are
/// computed.
fn order(class: &mut ast::Class) {
    let is_computed = |member: &ast::ClassMember| match member {
        ast::ClassMember::Method(method) => method.key.is_computed(),
        ast::ClassMember::ClassProp(field) => field.key.is_computed(),
        _ => false,
    };
    let is_static = |member: &ast::ClassMember| match member {
        ast::ClassMember::Method(method) => method.is_static,
        ast::ClassMember::PrivateMethod(method) => method.is_static,
        ast::ClassMember::ClassProp(field) => field.is_static,
        ast::ClassMember::PrivateProp(field) => field.is_static,
        ast::ClassMember::StaticBlock(_) => true,
        _ => false,
    };
    if class.body.iter().any(is_decorated) && !class.body.iter().any(is_computed) {
        class.body.sort_by_key(is_static);
    }
}

/// Puts the members of classes in the order in which old decorators are called, and makes the fields of
/// classes with decorated fields assignments in the constructor, as the TypeScript
/// compiler does for old decorators: a field that is defined would hide the accessor that its decorator put
/// into the prototype. Names have to be resolved.
pub fn prepare(program: &mut ast::Program) {
    program.visit_mut_with(&mut Preparation);
}

struct Preparation;

impl VisitMut for Preparation {
    fn visit_mut_class(&mut self, class: &mut ast::Class) {
        class.visit_mut_children_with(self);
        order(class);
        let has_decorated_field = class.body.iter().any(|member| match member {
            ast::ClassMember::ClassProp(field) => !field.is_static && is_decorated(member),
            _ => false,
        });
        if !has_decorated_field {
            return;
        }
        let mut assignments = Vec::new();
        for member in &mut class.body {
            let ast::ClassMember::ClassProp(field) = member else {
                continue;
            };
            // A computed name would be evaluated again in each constructor.
            if field.is_static || matches!(field.key, ast::PropName::Computed(_)) {
                continue;
            }
            field.declare = true;
            if let Some(value) = field.value.take() {
                assignments.push(assignment(&field.key, value, field.span));
            }
        }
        if assignments.is_empty() {
            return;
        }
        let existing = class.body.iter_mut().find_map(|member| match member {
            ast::ClassMember::Constructor(constructor) if constructor.body.is_some() => {
                Some(constructor)
            }
            _ => None,
        });
        match existing {
            Some(constructor) => inject_after_super(constructor, assignments),
            None => {
                let mut constructor =
                    default_constructor_with_span(class.super_class.is_some(), DUMMY_SP);
                inject_after_super(&mut constructor, assignments);
                class.body.push(ast::ClassMember::Constructor(constructor));
            }
        }
    }
}

/// `this.name = value`.
fn assignment(key: &ast::PropName, value: Box<ast::Expr>, span: Span) -> Box<ast::Expr> {
    let computed = |expression: ast::Lit| {
        ast::MemberProp::Computed(ast::ComputedPropName {
            span: DUMMY_SP,
            expr: Box::new(ast::Expr::Lit(expression)),
        })
    };
    let prop = match key {
        ast::PropName::Ident(name) => ast::MemberProp::Ident(name.clone()),
        ast::PropName::Str(text) => computed(ast::Lit::Str(text.clone())),
        ast::PropName::Num(number) => computed(ast::Lit::Num(number.clone())),
        ast::PropName::BigInt(number) => computed(ast::Lit::BigInt(number.clone())),
        ast::PropName::Computed(name) => ast::MemberProp::Computed(name.clone()),
    };
    Box::new(ast::Expr::Assign(ast::AssignExpr {
        span,
        op: ast::AssignOp::Assign,
        left: ast::AssignTarget::Simple(ast::SimpleAssignTarget::Member(ast::MemberExpr {
            span,
            obj: Box::new(ast::Expr::This(ast::ThisExpr { span })),
            prop,
        })),
        right: value,
    }))
}
