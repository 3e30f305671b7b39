//! What a person sees of a cell.

use std::io::IsTerminal;
use std::io::Write;

use faas_pool::Content;
use faas_pool::InstallStage;
use faas_pool::LiveEvent;
use faas_pool::ShownResult;
use faas_protocol::Language;
use faas_protocol::Stream;

/// What a program says when it begins; to a person only.
pub fn greeting(language: Language) {
    if std::io::stdin().is_terminal() {
        let version = env!("CARGO_PKG_VERSION");
        eprintln!(
            "faas-server {version}, {}. :help tells more, Ctrl-D ends.",
            language.name()
        );
    }
}

/// A sentence of this command's own.
pub fn notice(text: &str) {
    eprintln!("{text}");
}

/// What is told of a cell while it runs. What cannot be written, nobody reads.
pub fn event(event: LiveEvent) {
    match event {
        LiveEvent::Output(Stream::Stdout, bytes) => {
            let mut stdout = std::io::stdout();
            let _ = stdout.write_all(&bytes).and_then(|()| stdout.flush());
        }
        LiveEvent::Output(Stream::Stderr, bytes) => {
            let _ = std::io::stderr().write_all(&bytes);
        }
        LiveEvent::Result(shown) => {
            if let Some(text) = text_of(&shown) {
                let _ = writeln!(std::io::stdout(), "{text}");
            }
        }
        LiveEvent::Installing(progress) => {
            if progress.stage == InstallStage::Waiting {
                notice(&format!("installing {}", progress.requirements.join(", ")));
            }
        }
        LiveEvent::Started | LiveEvent::Calls(_) => {}
    }
}

/// A result as a line of a terminal; `None` for one that says nothing.
fn text_of(shown: &ShownResult) -> Option<String> {
    if let Some(Content::Text(text)) = shown.content("text/plain") {
        // What a call such as console.log returns.
        return (text != "undefined").then(|| text.clone());
    }
    let (media_type, content) = shown.representations.first()?;
    let bytes = match content {
        Content::Text(text) => text.len(),
        Content::Json(json) => json.get().len(),
        Content::Bytes(bytes) => bytes.len(),
    };
    Some(format!("<{media_type}, {bytes} bytes>"))
}
