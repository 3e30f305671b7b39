//! The package index: a Simple API, asked by project.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;
use std::time::Instant;

use super::error::PackageError;
use super::flight::SingleFlight;
use super::http::Http;
use super::http::Request;
use super::listing::Project;
use super::names::ProjectName;
use super::parse;
use super::parse::ACCEPT;
use super::remote;
use super::remote::Remote;
use super::threads::blocking;
use super::threads::guard;
use super::weighted::WeightedLru;

/// Generous, because an index lists every file that a project ever had.
const MAX_ANSWER: u64 = 64 << 20;
/// Bytes of answers that are remembered, roughly.
const REMEMBERED: u64 = 32 << 20;
/// How long a project counts as missing after the index did not have it. Short: its author may be
/// about to upload it. Not zero: a program may ask again and again.
const MISSING_FOR: Duration = Duration::from_secs(30);
/// The project whose files show on which hosts an index keeps files: every general index has it, and
/// who may publish some project there cannot change it. A private index has its files on its own host
/// mostly, or FAAS_PACKAGE_HOSTS names others.
const REFERENCE: &str = "pip";
/// How long what was learned from it is not looked up again.
const LEARNED_FOR: Duration = Duration::from_hours(1);

/// Cheap to clone; clones share what is remembered.
#[derive(Clone)]
pub struct Index {
    http: Arc<Http>,
    remote: Arc<Remote>,
    fresh_for: Duration,
    remembered: Arc<Mutex<WeightedLru<ProjectName, Answer>>>,
    flights: Arc<SingleFlight<ProjectName, Arc<Project>>>,
    /// When the hosts of files were learned last.
    learned: Arc<tokio::sync::Mutex<Option<Instant>>>,
}

struct Answer {
    at: Instant,
    /// A project, or the fact that it has no usable file.
    project: Result<Arc<Project>, PackageError>,
}

impl Index {
    pub fn new(http: Arc<Http>, remote: Remote, fresh_for: Duration) -> Self {
        Self {
            http,
            remote: Arc::new(remote),
            fresh_for,
            remembered: Arc::new(Mutex::new(WeightedLru::new(REMEMBERED))),
            flights: Arc::new(SingleFlight::new()),
            learned: Arc::default(),
        }
    }

    pub fn remote(&self) -> Arc<Remote> {
        self.remote.clone()
    }

    /// What the index says about a project, from memory if that is fresh enough.
    pub async fn project(&self, name: &ProjectName) -> Result<Arc<Project>, PackageError> {
        if let Some(answer) = self.remembered(name, self.fresh_for) {
            return answer;
        }
        let (this, key) = (self.clone(), name.clone());
        let work = async move {
            let answer = this.ask(&key).await;
            this.remember(key, &answer);
            answer
        };
        self.flights.join(name.clone(), work).await
    }

    /// What the index said about a project before, however long ago. Enough for fetching a file: a
    /// sha256 does not age.
    pub fn known(&self, name: &ProjectName) -> Option<Arc<Project>> {
        self.remembered(name, Duration::MAX)?.ok()
    }

    fn remembered(
        &self,
        name: &ProjectName,
        fresh_for: Duration,
    ) -> Option<Result<Arc<Project>, PackageError>> {
        let mut remembered = guard(&self.remembered);
        let answer = remembered.get(name)?;
        let fresh_for = match answer.project {
            Ok(_) => fresh_for,
            Err(_) => fresh_for.min(MISSING_FOR),
        };
        (answer.at.elapsed() < fresh_for).then(|| answer.project.clone())
    }

    fn remember(&self, name: ProjectName, project: &Result<Arc<Project>, PackageError>) {
        let weight = match project {
            // The text and the parsed files are about the same size; the rest is what a map entry
            // takes.
            Ok(project) => 2 * project.json.len() as u64 + 256,
            Err(PackageError::NotFound(_) | PackageError::UnsupportedWheel(_)) => 512,
            Err(_) => return,
        };
        let answer = Answer {
            at: Instant::now(),
            project: project.clone(),
        };
        guard(&self.remembered).insert(name, answer, weight);
    }

    async fn ask(&self, name: &ProjectName) -> Result<Arc<Project>, PackageError> {
        let asked = self.fetch(name).await;
        if let Err(error) = &asked
            && !matches!(error, PackageError::NotFound(_))
        {
            tracing::warn!(project = %name, host = self.remote.host(), kind = error.kind(),
                error = error.in_full(), "the package index gave no usable answer");
        }
        asked
    }

    async fn fetch(&self, name: &ProjectName) -> Result<Arc<Project>, PackageError> {
        let mut project = self.list(name).await?;
        if !project.foreign.is_empty() {
            self.learn_hosts().await;
            let hosts = &self.http.hosts;
            if project.foreign.iter().any(|url| hosts.allow(url)) {
                project = self.list(name).await?;
            }
        }
        if let Some(url) = project.foreign.first() {
            tracing::warn!(project = %name, host = remote::host(url), files = project.foreign.len(),
                "the package index names files on a host that FAAS_PACKAGE_HOSTS does not name");
        }
        let is_foreign = !project.foreign.is_empty();
        match project {
            Project {
                any_links: false, ..
            } => Err(missing(name)),
            project if !project.files.is_empty() => Ok(Arc::new(project)),
            _ if is_foreign => Err(PackageError::ForeignHost(format!("'{name}'"))),
            _ => Err(PackageError::UnsupportedWheel(name.to_string())),
        }
    }

    /// Asks for a project's files.
    async fn list(&self, name: &ProjectName) -> Result<Project, PackageError> {
        let url = self.remote.below(&format!("{name}/"));
        let what = format!("the package index's answer for '{name}'");
        let request = Request {
            url: &url,
            remote: &self.remote,
            accept: Some(ACCEPT),
            limit: MAX_ANSWER,
            what: &what,
        };
        let mut body = Vec::new();
        let head = match self.http.get(&request, &mut body).await {
            Err(PackageError::Status {
                status: 404 | 410, ..
            }) => return Err(missing(name)),
            answered => answered?,
        };
        let (key, hosts) = (name.clone(), self.http.hosts.clone());
        let parsed = blocking(move || {
            let found = parse::parse(&head.content_type, &body, &head.url)?;
            Ok(Project::new(
                &key,
                &found.links,
                &head.url,
                &found.base,
                &hosts,
            ))
        });
        parsed.await?.map_err(|reason| PackageError::BadAnswer {
            host: self.remote.host(),
            reason,
        })
    }

    /// Learns on which hosts the index keeps its files, unless that was done a while ago.
    async fn learn_hosts(&self) {
        let mut learned = self.learned.lock().await;
        if learned.is_some_and(|at| at.elapsed() < LEARNED_FOR) {
            return;
        }
        *learned = Some(Instant::now());
        let Ok(reference) = ProjectName::parse(REFERENCE) else {
            return;
        };
        match self.list(&reference).await {
            Ok(project) => {
                let new = self.http.hosts.learn(&project.foreign);
                tracing::info!(
                    hosts = new.join(" "),
                    "the package index keeps its files there"
                );
            }
            Err(error) => {
                tracing::warn!(
                    error = error.in_full(),
                    "could not learn where the package index keeps its files"
                );
                // Not its answer but the way to it may be the reason.
                if !matches!(error, PackageError::NotFound(_)) {
                    *learned = None;
                }
            }
        }
    }
}

fn missing(name: &ProjectName) -> PackageError {
    PackageError::NotFound(format!("the package index has no package '{name}'"))
}
