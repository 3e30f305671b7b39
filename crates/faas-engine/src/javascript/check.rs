//! Analyses JavaScript and TypeScript without running any of it: syntax, imports, complexity.

use deno_ast::ParsedSource;
use deno_ast::SourcePos;
use deno_ast::SourceRangedForSpanned;
use deno_ast::swc::ast;
use deno_ast::swc::ecma_visit::Visit;
use deno_ast::swc::ecma_visit::VisitWith;
use faas_protocol::Complexity;
use faas_protocol::Findings;
use faas_protocol::FunctionFigures;
use faas_protocol::Import;
use faas_protocol::Language;
use faas_protocol::Loops;

use crate::typescript;

/// The findings about a program that V8 compiles. If the parser used here fails on it, there are no
/// figures.
pub fn look_at(language: Language, code: &str) -> Findings {
    match typescript::parse(language, code) {
        Ok(parsed) => figures_of(&parsed),
        Err(_) => Findings {
            valid: true,
            ..Findings::default()
        },
    }
}

fn figures_of(parsed: &ParsedSource) -> Findings {
    let mut visitor = Visitor {
        parsed,
        imports: Vec::new(),
        functions: Vec::new(),
        current: FunctionFigures::default(),
        name: None,
        nesting: 0,
        loops: 0,
        loop_depth: 0,
        max_loop_depth: 0,
    };
    visitor.function("<module>".to_owned(), 1, |visitor| {
        parsed.program_ref().visit_with(visitor);
    });
    let Visitor {
        mut functions,
        mut imports,
        loops,
        max_loop_depth,
        ..
    } = visitor;
    functions.sort_by_key(|function| (function.name != "<module>", function.line));
    imports.sort_by_key(|import| import.line);
    let highest = |figure: fn(&FunctionFigures) -> u32| functions.iter().map(figure).max();
    Findings {
        valid: true,
        errors: Vec::new(),
        imports,
        complexity: Some(Complexity {
            statements: functions.iter().map(|function| function.statements).sum(),
            max_nesting: highest(|function| function.nesting).unwrap_or(0),
            max_cyclomatic: highest(|function| function.cyclomatic).unwrap_or(0),
            functions,
            loops: Loops {
                count: loops,
                max_depth: max_loop_depth,
                ..Loops::default()
            },
        }),
    }
}

/// Counts, function by function. A function's figures leave out those of functions inside it.
struct Visitor<'a> {
    parsed: &'a ParsedSource,
    imports: Vec<Import>,
    functions: Vec<FunctionFigures>,
    current: FunctionFigures,
    /// What the next function is bound to.
    name: Option<String>,
    nesting: u32,
    loops: u32,
    loop_depth: u32,
    max_loop_depth: u32,
}

impl Visitor<'_> {
    fn line(&self, position: SourcePos) -> u32 {
        let index = self.parsed.text_info_lazy().line_index(position);
        u32::try_from(index + 1).unwrap_or(u32::MAX)
    }

    fn function(&mut self, name: String, line: u32, visit: impl FnOnce(&mut Self)) {
        let inner = FunctionFigures {
            name,
            line,
            cyclomatic: 1,
            ..FunctionFigures::default()
        };
        let outer = std::mem::replace(&mut self.current, inner);
        let nesting = std::mem::take(&mut self.nesting);
        let loop_depth = std::mem::take(&mut self.loop_depth);
        visit(self);
        self.nesting = nesting;
        self.loop_depth = loop_depth;
        let inner = std::mem::replace(&mut self.current, outer);
        self.functions.push(inner);
    }

    fn named_function(&mut self, position: SourcePos, visit: impl FnOnce(&mut Self)) {
        let name = self.name.take().unwrap_or_else(|| "<anonymous>".to_owned());
        let line = self.line(position);
        self.function(name, line, visit);
    }

    fn block(&mut self, visit: impl FnOnce(&mut Self)) {
        self.nesting += 1;
        self.current.nesting = self.current.nesting.max(self.nesting);
        visit(self);
        self.nesting -= 1;
    }

    fn repeat(&mut self, visit: impl FnOnce(&mut Self)) {
        self.branch();
        self.loops += 1;
        self.loop_depth += 1;
        self.max_loop_depth = self.max_loop_depth.max(self.loop_depth);
        self.block(visit);
        self.loop_depth -= 1;
    }

    fn branch(&mut self) {
        self.current.cyclomatic += 1;
    }

    fn import(&mut self, module: &str, position: SourcePos) {
        if self.imports.iter().all(|import| import.module != module) {
            let line = self.line(position);
            self.imports.push(Import {
                module: module.to_owned(),
                line,
                // The sandbox has no modules.
                available: false,
                package: None,
            });
        }
    }
}

fn name_of(key: &ast::PropName) -> Option<String> {
    match key {
        ast::PropName::Ident(name) => Some(name.sym.to_string()),
        ast::PropName::Str(text) => Some(text.value.to_string_lossy().into_owned()),
        _ => None,
    }
}

impl Visit for Visitor<'_> {
    fn visit_stmt(&mut self, statement: &ast::Stmt) {
        if !matches!(statement, ast::Stmt::Block(_) | ast::Stmt::Empty(_)) {
            self.current.statements += 1;
        }
        match statement {
            ast::Stmt::For(_)
            | ast::Stmt::ForIn(_)
            | ast::Stmt::ForOf(_)
            | ast::Stmt::While(_)
            | ast::Stmt::DoWhile(_) => {
                self.repeat(|visitor| statement.visit_children_with(visitor));
            }
            ast::Stmt::Switch(_) | ast::Stmt::Try(_) | ast::Stmt::With(_) => {
                self.block(|visitor| statement.visit_children_with(visitor));
            }
            _ => statement.visit_children_with(self),
        }
    }

    fn visit_if_stmt(&mut self, statement: &ast::IfStmt) {
        self.branch();
        self.block(|visitor| {
            statement.test.visit_with(visitor);
            statement.cons.visit_with(visitor);
            if let Some(alternative) = &statement.alt
                && !alternative.is_if_stmt()
            {
                alternative.visit_with(visitor);
            }
        });
        // An `else if` is not nested in its `if`.
        if let Some(alternative) = &statement.alt
            && alternative.is_if_stmt()
        {
            alternative.visit_with(self);
        }
    }

    fn visit_switch_case(&mut self, case: &ast::SwitchCase) {
        if case.test.is_some() {
            self.branch();
        }
        case.visit_children_with(self);
    }

    fn visit_catch_clause(&mut self, clause: &ast::CatchClause) {
        self.branch();
        clause.visit_children_with(self);
    }

    fn visit_cond_expr(&mut self, expression: &ast::CondExpr) {
        self.branch();
        expression.visit_children_with(self);
    }

    fn visit_bin_expr(&mut self, expression: &ast::BinExpr) {
        if matches!(
            expression.op,
            ast::BinaryOp::LogicalAnd | ast::BinaryOp::LogicalOr | ast::BinaryOp::NullishCoalescing
        ) {
            self.branch();
        }
        expression.visit_children_with(self);
    }

    fn visit_var_declarator(&mut self, declarator: &ast::VarDeclarator) {
        if let ast::Pat::Ident(name) = &declarator.name {
            self.name = Some(name.sym.to_string());
        }
        declarator.visit_children_with(self);
        self.name = None;
    }

    fn visit_fn_decl(&mut self, declaration: &ast::FnDecl) {
        self.name = Some(declaration.ident.sym.to_string());
        declaration.visit_children_with(self);
    }

    fn visit_fn_expr(&mut self, expression: &ast::FnExpr) {
        if let Some(name) = &expression.ident {
            self.name = Some(name.sym.to_string());
        }
        expression.visit_children_with(self);
    }

    fn visit_class_method(&mut self, method: &ast::ClassMethod) {
        self.name = name_of(&method.key);
        method.visit_children_with(self);
    }

    fn visit_method_prop(&mut self, method: &ast::MethodProp) {
        self.name = name_of(&method.key);
        method.visit_children_with(self);
    }

    fn visit_key_value_prop(&mut self, property: &ast::KeyValueProp) {
        self.name = name_of(&property.key);
        property.visit_children_with(self);
        self.name = None;
    }

    fn visit_function(&mut self, function: &ast::Function) {
        self.named_function(function.start(), |visitor| {
            function.visit_children_with(visitor);
        });
    }

    fn visit_arrow_expr(&mut self, arrow: &ast::ArrowExpr) {
        self.named_function(arrow.start(), |visitor| arrow.visit_children_with(visitor));
    }

    fn visit_constructor(&mut self, constructor: &ast::Constructor) {
        self.name = Some("constructor".to_owned());
        self.named_function(constructor.start(), |visitor| {
            constructor.visit_children_with(visitor);
        });
    }

    fn visit_import_decl(&mut self, import: &ast::ImportDecl) {
        if !import.type_only {
            self.import(&import.src.value.to_string_lossy(), import.start());
        }
    }

    fn visit_named_export(&mut self, export: &ast::NamedExport) {
        if let Some(source) = &export.src {
            self.import(&source.value.to_string_lossy(), export.start());
        }
    }

    fn visit_export_all(&mut self, export: &ast::ExportAll) {
        self.import(&export.src.value.to_string_lossy(), export.start());
    }

    fn visit_call_expr(&mut self, call: &ast::CallExpr) {
        let is_import = match &call.callee {
            ast::Callee::Import(_) => true,
            ast::Callee::Expr(callee) => callee.is_ident_ref_to("require"),
            ast::Callee::Super(_) => false,
        };
        if is_import
            && let Some(ast::ExprOrSpread { expr, spread: None }) = call.args.first()
            && let ast::Expr::Lit(ast::Lit::Str(module)) = expr.as_ref()
        {
            self.import(&module.value.to_string_lossy(), call.start());
        }
        call.visit_children_with(self);
    }
}
