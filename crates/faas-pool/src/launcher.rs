//! Starts zygotes from a thread that lives as long as the process.
//!
//! The kernel sends a child its parent-death signal when the *thread* that made it ends (prctl(2),
//! PR_SET_PDEATHSIG), and a sandbox's parent is the thread that made its zygote. A runtime's worker
//! threads come and go; this one stays.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::process::Stdio;
use std::sync::mpsc;

use faas_linux::socket_pair;
use rustix::net::SocketType;
use tokio::sync::oneshot;

use super::process::ChildProcess;

type Reply = oneshot::Sender<std::io::Result<Launched>>;

/// Handle on the launching thread.
#[derive(Debug)]
pub struct Launcher {
    orders: mpsc::Sender<(Vec<OsString>, Reply)>,
}

/// A started zygote and the supervisor's end of its control socket.
type Launched = (ChildProcess, OwnedFd);

impl Launcher {
    /// Starts the thread. To be called within a tokio runtime.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn start() -> std::io::Result<Self> {
        let (orders, inbox) = mpsc::channel::<(Vec<OsString>, Reply)>();
        let runtime = tokio::runtime::Handle::current();
        std::thread::Builder::new()
            .name("launcher".to_owned())
            .spawn(move || {
                let _runtime = runtime.enter();
                for (arguments, reply) in inbox {
                    let _ = reply.send(launch(&arguments));
                }
            })?;
        Ok(Self { orders })
    }

    /// Runs this program with `arguments` and a control socket as its standard input.
    ///
    /// # Errors
    /// The system's, when the program cannot be run.
    pub async fn launch(&self, arguments: Vec<OsString>) -> std::io::Result<Launched> {
        let gone = || std::io::Error::other("the launcher thread is gone");
        let (reply, answer) = oneshot::channel();
        self.orders.send((arguments, reply)).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

fn launch(arguments: &[OsString]) -> std::io::Result<Launched> {
    let (ours, theirs) = socket_pair(SocketType::SEQPACKET)?;
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
        .spawn()?;
    Ok((ChildProcess::adopt(child.id() as i32, ())?, ours))
}
