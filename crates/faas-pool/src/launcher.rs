//! Starts zygotes from a thread that lives as long as the process.
//!
//! The kernel sends a child its parent-death signal when the *thread* that made it ends (prctl(2),
//! PR_SET_PDEATHSIG), and a sandbox's parent is the thread that made its zygote. A runtime's worker
//! threads come and go; this one stays.

use std::ffi::OsString;
use std::io::PipeReader;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::process::Stdio;
use std::sync::mpsc;

use faas_linux::socket_pair;
use rustix::net::SocketType;
use rustix::thread::Pid;
use tokio::sync::oneshot;

use super::process::ChildProcess;
use super::process::ZygoteProcess;

/// Something to be done on the launching thread.
type Work = Box<dyn FnOnce() + Send>;

/// Handle on the launching thread.
#[derive(Debug)]
pub struct Launcher {
    orders: mpsc::Sender<Work>,
    thread: Pid,
}

/// A started zygote, and the supervisor's ends of its control socket and of its standard error.
#[derive(Debug)]
pub struct Launched {
    pub process: ZygoteProcess,
    pub control: OwnedFd,
    pub log: PipeReader,
}

impl Launcher {
    /// Starts the thread. To be called within a tokio runtime.
    ///
    /// # Errors
    /// When the system has no thread left or refuses the stack that zygotes need.
    pub fn start() -> std::io::Result<Self> {
        // Zygotes inherit it.
        faas_linux::let_stack_grow_to(faas_linux::MOST_STACK)?;
        let (orders, inbox) = mpsc::channel::<Work>();
        let (started, thread) = mpsc::channel();
        let runtime = tokio::runtime::Handle::current();
        std::thread::Builder::new()
            .name("launcher".to_owned())
            .spawn(move || {
                let _runtime = runtime.enter();
                let _ = started.send(rustix::thread::gettid());
                for work in inbox {
                    work();
                }
            })?;
        let thread = thread.recv().map_err(std::io::Error::other)?;
        Ok(Self { orders, thread })
    }

    /// The thread, which is the parent of all zygotes and of all that they fork.
    pub fn thread(&self) -> Pid {
        self.thread
    }

    /// Runs this program with `arguments` and a control socket as its standard input.
    ///
    /// # Errors
    /// The system's, when the program cannot be run.
    pub async fn launch(&self, arguments: Vec<OsString>) -> std::io::Result<Launched> {
        let launched = self.run(move || launch(&arguments)).await;
        launched.ok_or_else(|| std::io::Error::other("the launcher thread is gone"))?
    }

    /// Does something on the thread, as what only a parent may; `None` if the thread is gone.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        let work = Box::new(move || drop(reply.send(work())));
        self.orders.send(work).ok()?;
        answer.await.ok()
    }
}

fn launch(arguments: &[OsString]) -> std::io::Result<Launched> {
    let (control, theirs) = socket_pair(SocketType::SEQPACKET)?;
    let (log, stderr) = std::io::pipe()?;
    // The environment may hold secrets (tokens, proxies); a zygote needs to know none.
    let child = Command::new("/proc/self/exe")
        .arg0("faas-server")
        .args(arguments)
        .arg("--supervisor")
        .arg(std::process::id().to_string())
        .env_clear()
        .envs(std::env::var_os("FAAS_LOG").map(|filter| ("FAAS_LOG", filter)))
        .stdin(theirs)
        .stdout(Stdio::null())
        .stderr(stderr)
        // Ctrl-C on a terminal is for the supervisor, which has programs end in order.
        .process_group(0)
        .spawn()?;
    Ok(Launched {
        process: ChildProcess::adopt(child.id() as i32, None)?,
        control,
        log,
    })
}
