//! Sessions of the pool: opening them, running their cells, looking into them.

use std::sync::Arc;
use std::time::Duration;

use faas_protocol::Limit;
use faas_protocol::Owner;
use faas_protocol::Runtime;
use faas_protocol::Status;
use faas_protocol::Task;
use faas_protocol::Tending;
use faas_telemetry::CellEnd;
use faas_telemetry::SessionEnd;

use super::Pool;
use super::execute::Kept;
use super::execute::Ran;
use super::kept::Parent;
use super::kept::Snapshot;
use super::kept::SnapshotInfo;
use super::report::CellReport;
use super::report::Report;
use super::request::ExecutionRequest;
use super::request::PoolError;
use super::request::Start;
use super::sessions::CannotOpen;
use super::sessions::Head;
use super::sessions::Lifetime;
use super::sessions::NoSession;
use super::sessions::Session;
use super::sessions::SessionId;
use super::sessions::SessionInfo;
use super::sessions::SessionName;
use super::sessions::SessionsStats;
use super::sessions::Turn;
use super::wait::Wait;

/// A session to open.
#[derive(Debug)]
pub struct SessionRequest {
    pub name: Option<SessionName>,
    pub lifetime: Lifetime,
    /// An empty program, with what the session begins with: packages, files, a snapshot.
    pub set_up: ExecutionRequest,
}

impl Pool {
    /// Why there are no sessions of a runtime; `None` if there can be.
    pub fn no_sessions(&self, runtime: Runtime) -> Option<String> {
        if self.sessions.settings.number == 0 {
            return Some("FAAS_SESSIONS is 0".to_owned());
        }
        self.cannot_fork_kept(runtime)
    }

    /// Opens a session. What it begins with is made at once; with nothing, it has no process before its first cell.
    ///
    /// # Errors
    /// [`CannotOpen`], or a [`PoolError`] of the set-up. A set-up that fails is a report.
    pub async fn open_session(
        &self,
        request: SessionRequest,
    ) -> Result<Result<SessionInfo, Box<Report>>, CannotOpenSession> {
        let SessionRequest {
            name,
            lifetime,
            mut set_up,
        } = request;
        let (owner, language) = (set_up.owner.clone(), set_up.job.language);
        if let Some(reason) = self.no_sessions(language.runtime()) {
            return Err(PoolError::CannotKeep(reason).into());
        }
        self.sessions.can_open(&owner, name.as_ref())?;
        let is_empty = set_up.job.files.is_empty()
            && set_up.packages.is_empty()
            && set_up.start == Start::Fresh;
        let mut first = Head::default();
        if !is_empty {
            set_up.job.keep = true;
            set_up.job.cell = Some(0);
            let parent = self.snapshot_to_start_from(&set_up)?;
            let parent = parent.as_ref().map(Parent::of);
            let ran = self
                .run_program(&mut set_up, &mut Wait::begin(), None)
                .await?;
            let Some(kept) = ran.kept.filter(|_| ran.report.status == Status::Success) else {
                return Ok(Err(ran.report));
            };
            let (sandbox, origin, lineage) = kept.with_origin(&set_up, parent);
            let kept = self.sessions.keep(sandbox, origin, lineage).await;
            first.kept = Some(kept.map_err(CannotOpen::Failed)?);
        }
        let lifetime = lifetime.min(self.sessions.settings.lifetime);
        let id = self.sessions.new_id();
        let id = id.map_err(|error| CannotOpen::Failed(error.to_string()))?;
        let session = Session::begin(id, owner, name, language, lifetime, first);
        let opened = self.sessions.open(vec![session])?;
        let opened = opened.first().map(|session| session.info());
        opened
            .map(Ok)
            .ok_or_else(|| CannotOpen::Failed("there is none".to_owned()).into())
    }

    /// The sessions of an owner, the oldest first.
    pub fn sessions_of(&self, owner: &Owner) -> Vec<SessionInfo> {
        self.sessions.of(owner)
    }

    /// # Errors
    /// When there is none of that id, or it is not this owner's.
    pub fn session(&self, id: &SessionId, owner: &Owner) -> Result<SessionInfo, NoSession> {
        self.sessions.get(id, owner).map(|session| session.info())
    }

    /// Ends a session. The cell that runs is given up.
    ///
    /// # Errors
    /// As [`Self::session`].
    pub fn delete_session(&self, id: &SessionId, owner: &Owner) -> Result<(), NoSession> {
        self.sessions.delete(id, owner)
    }

    /// Puts off the end of a session that nobody uses.
    ///
    /// # Errors
    /// As [`Self::session`].
    pub fn use_session(&self, id: &SessionId, owner: &Owner) -> Result<SessionInfo, NoSession> {
        let session = self.sessions.get(id, owner)?;
        session.use_head();
        Ok(session.info())
    }

    /// Has a session end after so much time, or with its longest life.
    ///
    /// # Errors
    /// As [`Self::session`].
    pub fn end_session_after(
        &self,
        id: &SessionId,
        owner: &Owner,
        time: Duration,
    ) -> Result<SessionInfo, NoSession> {
        let session = self.sessions.get(id, owner)?;
        session.end_after(time);
        Ok(session.info())
    }

    /// Interrupts the cell that runs; returns whether one does.
    ///
    /// # Errors
    /// As [`Self::session`].
    pub fn interrupt_session(&self, id: &SessionId, owner: &Owner) -> Result<bool, NoSession> {
        Ok(self.sessions.get(id, owner)?.interrupt())
    }

    /// Opens further sessions with the head of this one.
    ///
    /// # Errors
    /// As [`Self::session`], or [`CannotOpen`].
    pub fn fork_session(
        &self,
        id: &SessionId,
        owner: &Owner,
        count: usize,
    ) -> Result<Vec<SessionInfo>, CannotOpenSession> {
        let session = self.sessions.get(id, owner).map_err(PoolError::NoSession)?;
        let forks = (0..count).map(|_| session.fork());
        let forks = forks.collect::<std::io::Result<Vec<_>>>();
        let forks = forks.map_err(|error| CannotOpen::Failed(error.to_string()))?;
        let forks = self.sessions.open(forks)?;
        Ok(forks.iter().map(|fork| fork.info()).collect())
    }

    /// Goes back by so many heads, when the cells before have had their turn. The inner error is how many there are.
    ///
    /// # Errors
    /// As [`Self::session`], or there was no turn.
    pub async fn undo_in_session(
        &self,
        id: &SessionId,
        owner: &Owner,
        steps: usize,
    ) -> Result<Result<SessionInfo, usize>, PoolError> {
        let session = self.sessions.get(id, owner).map_err(PoolError::NoSession)?;
        let turn = self.session_turn(&session, &mut Wait::begin()).await?;
        let undone = turn.session.undo(steps);
        Ok(undone.map(|()| turn.session.info()))
    }

    /// Goes back to where the session began, when the cells before have had their turn.
    ///
    /// # Errors
    /// As [`Self::undo_in_session`].
    pub async fn restart_session(
        &self,
        id: &SessionId,
        owner: &Owner,
    ) -> Result<SessionInfo, PoolError> {
        let session = self.sessions.get(id, owner).map_err(PoolError::NoSession)?;
        let turn = self.session_turn(&session, &mut Wait::begin()).await?;
        turn.session.restart();
        Ok(turn.session.info())
    }

    pub fn sessions_stats(&self) -> SessionsStats {
        self.sessions.stats()
    }

    /// Steps that can be undone.
    pub fn undo_steps(&self) -> usize {
        self.sessions.settings.undo
    }

    /// Waits for the turn in a session: no worker is held meanwhile.
    async fn session_turn(
        &self,
        session: &Arc<Session>,
        wait: &mut Wait,
    ) -> Result<Turn, PoolError> {
        let turn = Turn::take(session, self.queue_timeout).await?;
        wait.queue += wait.asked.elapsed();
        Ok(turn)
    }

    /// Runs a cell of a session, or looks into one.
    pub(super) async fn execute_in_session(
        &self,
        mut request: ExecutionRequest,
        wait: &mut Wait,
    ) -> Result<Report, PoolError> {
        let Start::Session(id) = request.start.clone() else {
            return Err(PoolError::NoSession(NoSession::Unknown));
        };
        let session = self.sessions.get(&id, &request.owner);
        let session = session.map_err(PoolError::NoSession)?;
        if session.language.runtime() != request.job.language.runtime() {
            let of = session.language;
            return Err(PoolError::SessionOfOtherLanguage { of });
        }
        let report = match request.job.task {
            Task::Run => self.run_cell(&session, request, wait).await?,
            Task::Tend(tending) if tending.changes_something() => {
                self.change(&session, request, wait).await?
            }
            Task::Check | Task::Tend(_) => {
                let head = session.use_head();
                request.job.keep = false;
                let ran = self
                    .run_program(&mut request, wait, head.kept.as_ref())
                    .await?;
                *ran.report
            }
        };
        if let Some(head) = &session.head().kept {
            self.fork_ahead(head);
        }
        Ok(report)
    }

    async fn run_cell(
        &self,
        session: &Arc<Session>,
        mut request: ExecutionRequest,
        wait: &mut Wait,
    ) -> Result<Report, PoolError> {
        let turn = self.session_turn(session, wait).await?;
        let head = session.head();
        let number = head.cells + 1;
        let wants_snapshot = std::mem::replace(&mut request.job.keep, true);
        request.job.cell = Some(number);
        request.interrupt = Some(turn.interrupt.clone());
        turn.begin_cell();
        let ran = self.run_from(&head, &turn, &mut request, wait).await?;
        let Ran {
            mut report, kept, ..
        } = ran;
        let kept = match kept {
            None => Err(why_not_kept(&report)),
            Some(kept) => self.advance(&turn, &head, kept, &request, number).await,
        };
        let metrics = &self.resources.metrics;
        metrics.cell_ended(match &kept {
            Ok(()) => CellEnd::Kept,
            Err(_) => CellEnd::Unchanged,
        });
        if wants_snapshot {
            report.snapshot = Some(match &kept {
                Ok(()) => self.snapshot_of_head(session, &request, wait).await,
                Err(reason) => Err(reason.clone()),
            });
        }
        // It is used until here.
        drop(turn);
        report.cell = Some(CellReport {
            session: session.info(),
            number: if kept.is_ok() { number } else { head.cells },
            kept,
        });
        Ok(*report)
    }

    /// Puts or deletes a file, which makes a new head.
    async fn change(
        &self,
        session: &Arc<Session>,
        mut request: ExecutionRequest,
        wait: &mut Wait,
    ) -> Result<Report, PoolError> {
        let turn = self.session_turn(session, wait).await?;
        let head = session.head();
        request.job.keep = true;
        let ran = self.run_from(&head, &turn, &mut request, wait).await?;
        let Ran {
            mut report, kept, ..
        } = ran;
        let has_changed = report.return_value.as_deref() == Some(Tending::DONE);
        let kept = match kept {
            None => Err(why_not_kept(&report)),
            Some(_) if !has_changed => Ok(()),
            Some(kept) => self.advance(&turn, &head, kept, &request, head.cells).await,
        };
        drop(turn);
        report.cell = Some(CellReport {
            session: session.info(),
            number: head.cells,
            kept,
        });
        Ok(*report)
    }

    /// Runs a program from a head of a session, until the session is over. It is, if the head's process is of no use.
    async fn run_from(
        &self,
        head: &Head,
        turn: &Turn,
        request: &mut ExecutionRequest,
        wait: &mut Wait,
    ) -> Result<Ran, PoolError> {
        let session = &turn.session;
        let ran = tokio::select! {
            biased;
            ran = self.run_program(request, wait, head.kept.as_ref()) => ran,
            () = session.over.cancelled() => Err(PoolError::NoSession(NoSession::Unknown)),
        };
        let is_broken = |head: &Arc<Snapshot>| head.is_of_no_use();
        if let Err(PoolError::Broken(_)) = ran
            && head.kept.as_ref().is_some_and(is_broken)
        {
            self.sessions.end(&session.id, SessionEnd::Broken);
        }
        match session.why_over() {
            Some(why) => Err(PoolError::NoSession(NoSession::Gone(why))),
            None => ran,
        }
    }

    /// Makes what a job left the head of its session.
    async fn advance(
        &self,
        turn: &Turn,
        last: &Head,
        kept: Kept,
        request: &ExecutionRequest,
        cells: u64,
    ) -> Result<(), String> {
        let parent = last.kept.as_ref().map(Parent::of);
        let (sandbox, origin, lineage) = kept.with_origin(request, parent);
        let kept = Some(self.sessions.keep(sandbox, origin, lineage).await?);
        self.sessions.advance(turn, Head { kept, cells })
    }

    /// A snapshot of the head, for other programs to start from.
    async fn snapshot_of_head(
        &self,
        session: &Session,
        request: &ExecutionRequest,
        wait: &mut Wait,
    ) -> Result<SnapshotInfo, String> {
        if self.snapshots.settings.number == 0 {
            return Err("FAAS_SNAPSHOTS is 0".to_owned());
        }
        let Some(head) = session.head().kept else {
            return Err("nothing ran yet".to_owned());
        };
        let mut empty = request.empty_program();
        let ran = self.run_program(&mut empty, wait, Some(&head)).await;
        let ran = ran.map_err(|error| error.to_string())?;
        self.keep(ran.kept, &empty, Some(Parent::of(&head))).await
    }
}

/// Why a session is not opened.
#[derive(Debug)]
pub enum CannotOpenSession {
    Here(CannotOpen),
    Pool(PoolError),
}

impl From<CannotOpen> for CannotOpenSession {
    fn from(error: CannotOpen) -> Self {
        Self::Here(error)
    }
}

impl From<PoolError> for CannotOpenSession {
    fn from(error: PoolError) -> Self {
        Self::Pool(error)
    }
}

/// Why what a cell left cannot be had, as a sentence.
fn why_not_kept(report: &Report) -> String {
    let ended = match report.status {
        Status::Exceeded(Limit::WallTime) => "its time was over".to_owned(),
        Status::Exceeded(limit) => format!("it ran into a limit ({})", limit.name()),
        Status::Violation => {
            "its sandbox made a system call that no honest program makes".to_owned()
        }
        Status::Killed => "its process ended".to_owned(),
        Status::Success | Status::Error => "it ended the interpreter, or was not run".to_owned(),
    };
    format!("the cell left nothing, since {ended}; the session is as it was before it")
}
