//! `POST /check_code`: what can be said of a program without running it; and the gates that refuse
//! programs which are too complex.

use std::sync::Arc;

use axum::Json;
use axum::extract::Request;
use axum::extract::State;
use serde::Serialize;

use super::Service;
use super::error::ApiError;
use super::request;
use crate::findings::Complexity;
use crate::findings::Findings;
use crate::pool::Order;
use crate::pool::Status;

/// The answer.
#[derive(Debug, Serialize)]
pub struct CheckResponse {
    language: &'static str,
    #[serde(flatten)]
    findings: Findings,
}

/// The route's handler.
///
/// # Errors
/// [`ApiError`] for a request that is wrong, or a program that could not be looked at.
pub async fn check_code(
    State(service): State<Arc<Service>>,
    request: Request,
) -> Result<Json<CheckResponse>, ApiError> {
    service.refuse_if_draining()?;
    let body = request::read_body(request, &service.settings).await?;
    let order = request::parse_check(&body, &service.settings)?;
    let language = order.job.language.name();
    let findings = look_at(&service, order).await?;
    Ok(Json(CheckResponse { language, findings }))
}

/// Refuses a program that is more complex than the settings allow. One that does not compile
/// passes: running it says why better.
///
/// # Errors
/// 422 with the figure and the limit.
pub async fn pass_gates(service: &Service, order: &Order) -> Result<(), ApiError> {
    let settings = &service.settings;
    if settings.max_complexity.is_none() && settings.max_nesting.is_none() {
        return Ok(());
    }
    let job = &order.job;
    let check = request::check_order(job.language, job.code.clone(), order.priority, settings);
    let Some(complexity) = look_at(service, check).await?.complexity else {
        return Ok(());
    };
    let Complexity {
        max_cyclomatic,
        max_nesting,
        ..
    } = complexity;
    for (figure, value, limit, name) in [
        (
            "cyclomatic complexity",
            max_cyclomatic,
            settings.max_complexity,
            "FAAS_MAX_COMPLEXITY",
        ),
        (
            "nesting",
            max_nesting,
            settings.max_nesting,
            "FAAS_MAX_NESTING",
        ),
    ] {
        if let Some(limit) = limit
            && value > limit
        {
            return Err(ApiError::refused(
                "Program too complex",
                format!(
                    "Its {figure} is {value}, more than the {limit} allowed ({name}); \
                     split its functions up (POST /check_code tells the figures of each)"
                ),
            ));
        }
    }
    Ok(())
}

/// Has a program looked at in a sandbox of its own.
async fn look_at(service: &Service, order: Order) -> Result<Findings, ApiError> {
    let (report, _) = service.pool.execute(order).await?;
    let findings = report
        .return_value
        .filter(|_| report.status == Status::Success);
    // It comes from a sandbox: whatever it is, it must have the right shape.
    let findings = findings.and_then(|json| serde_json::from_str::<Findings>(&json).ok());
    let mut findings = findings.ok_or_else(|| {
        ApiError::failed(format!(
            "The program could not be looked at ({}); it may be too long or too deeply nested",
            report.status.name()
        ))
    })?;
    if let Some(complexity) = &mut findings.complexity {
        complexity.loops.estimate();
    }
    Ok(findings)
}
