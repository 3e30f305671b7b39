//! Tells of the ends of jobs (`webhook`): each message until its receiver has it, or it was tried often enough.

use std::collections::HashSet;
use std::time::Duration;
use std::time::SystemTime;

use faas_jobs::Delivery;
use faas_jobs::DueWebhook;
use faas_jobs::JobId;
use faas_jobs::JobInfo;
use faas_jobs::Jobs;
use faas_jobs::Webhooks;
use faas_telemetry::WebhookEnd;
use faas_telemetry::rfc3339;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde::Serialize;

use super::body::JobBody;
use crate::api::state::AppState;

/// Most messages that are being sent at once. Receivers may be slow.
const MOST_AT_ONCE: u32 = 64;
/// Longest pause between looks for messages, as when the clock was changed.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// Pause after the file could not be used.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// A message, in the form that Standard Webhooks recommends.
#[derive(Serialize)]
struct Message {
    /// `job.` and its status.
    r#type: String,
    /// When the job ended.
    timestamp: String,
    data: JobBody,
}

/// Sends messages for ever. One whose sending is cut off is sent again.
pub async fn send_messages(state: &AppState, jobs: &Jobs) {
    let Some(webhooks) = &jobs.webhooks else {
        return std::future::pending().await;
    };
    let mut sending = FuturesUnordered::new();
    let mut on_their_way: HashSet<JobId> = HashSet::new();
    loop {
        let wait = match jobs.due_webhooks(MOST_AT_ONCE).await {
            Ok(due) => {
                for one in due {
                    if on_their_way.insert(one.job.id.clone()) {
                        sending.push(send(state, jobs, webhooks, one));
                    }
                }
                pause(jobs, sending.is_empty()).await
            }
            Err(_) => TRY_AGAIN_AFTER,
        };
        tokio::select! {
            Some(id) = sending.next(), if !sending.is_empty() => {
                on_their_way.remove(&id);
            }
            () = jobs.messages.notified() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// How long there is nothing to send.
async fn pause(jobs: &Jobs, none_on_their_way: bool) -> Duration {
    match jobs.next_webhook().await {
        Ok(Some(wait)) if none_on_their_way => wait.min(LOOK_EVERY),
        // Those that are due are being sent; the others can wait that long.
        Ok(Some(wait)) => wait.clamp(TRY_AGAIN_AFTER, LOOK_EVERY),
        Ok(None) => LOOK_EVERY,
        Err(_) => TRY_AGAIN_AFTER,
    }
}

async fn send(state: &AppState, jobs: &Jobs, webhooks: &Webhooks, due: DueWebhook) -> JobId {
    let DueWebhook { url, attempts, job } = due;
    let id = job.id.clone();
    let delivery = match serde_json::to_string(&message(job)) {
        Ok(body) => {
            // The same in each attempt: receivers know by it what they have.
            let message = format!("msg-{id}");
            webhooks.send(&url, &message, body, attempts).await
        }
        Err(error) => Delivery::GivenUp {
            error: error.to_string(),
        },
    };
    let end = match &delivery {
        Delivery::Delivered => WebhookEnd::Delivered,
        Delivery::Again { error, .. } => {
            tracing::info!(job = &*id, error, "a webhook is to be sent again");
            WebhookEnd::Again
        }
        Delivery::GivenUp { error } => {
            tracing::warn!(job = &*id, error, "a webhook was given up");
            WebhookEnd::GivenUp
        }
    };
    state.metrics.webhook_sent(end);
    if let Err(error) = jobs.webhook_tried(&id, delivery).await {
        jobs.failures().count(0, &error);
        // Else it would be sent again at once.
        tokio::time::sleep(TRY_AGAIN_AFTER).await;
    }
    id
}

fn message(job: JobInfo) -> Message {
    Message {
        r#type: format!("job.{}", job.state.name()),
        timestamp: rfc3339(job.ended.unwrap_or_else(SystemTime::now)),
        data: job.into(),
    }
}
