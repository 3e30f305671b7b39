//! Tells a client that asked for it how far a program is: its packages, and what it prints.

use faas_pool::InstallProgress;
use faas_pool::LiveEvent;
use rmcp::Peer;
use rmcp::RoleServer;
use rmcp::model::ProgressNotificationParam;
use rmcp::model::ProgressToken;
use tokio::sync::mpsc::UnboundedReceiver;

/// Longest message, in bytes.
const LONGEST_MESSAGE: usize = 1000;

/// Passes events on until there are no more. The client has each as a step.
pub async fn tell(
    peer: Peer<RoleServer>,
    token: ProgressToken,
    mut events: UnboundedReceiver<LiveEvent>,
) {
    let mut step = 0.0;
    while let Some(event) = events.recv().await {
        let message = match event {
            LiveEvent::Installing(progress) => installing(&progress),
            LiveEvent::Output(_, bytes) => cut(&String::from_utf8_lossy(&bytes)),
            LiveEvent::Started => "The program starts".to_owned(),
            LiveEvent::Result(_) | LiveEvent::Calls(_) => continue,
        };
        step += 1.0;
        let parameters = ProgressNotificationParam::new(token.clone(), step).with_message(message);
        if peer.notify_progress(parameters).await.is_err() {
            return;
        }
    }
}

fn installing(progress: &InstallProgress) -> String {
    let packages = progress.requirements.join(", ");
    match &progress.file {
        Some(file) => cut(&format!("Installing {packages}: {file}")),
        None => cut(&format!("Installing {packages}")),
    }
}

fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(LONGEST_MESSAGE)].to_owned()
}
