//! Sandboxes that lie.

use std::io::Read;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use faas_linux::ProcessStatus;
use faas_packages::PackageSettings;
use faas_packages::Packages;
use faas_protocol as protocol;
use faas_protocol::ByteSize;
use faas_protocol::Job;
use faas_protocol::Language;
use faas_protocol::Limit;
use faas_protocol::Limits;
use faas_protocol::Owner;
use faas_protocol::Priority;
use faas_protocol::Stages;
use faas_protocol::Status;
use faas_protocol::ToolAnswer;
use faas_protocol::Weight;
use faas_telemetry::Metrics;
use faas_tools::ToolSet;
use proptest::prelude::*;
use proptest::test_runner::Config;
use proptest::test_runner::TestRunner;
use tokio::sync::Semaphore;
use tokio::sync::mpsc;
use tokio::sync::mpsc::UnboundedSender;

use super::LATE;
use super::frames::Event;
use super::frames::Piece;
use super::frames::TOOL;
use super::frames::piece;
use super::idle_process;
use super::runtime;
use super::spawn;
use crate::admission::Admission;
use crate::execution::Attached;
use crate::execution::Execution;
use crate::execution::Finished;
use crate::fair_queue::Asks;
use crate::handed_back::Content;
use crate::report::Report;
use crate::sandbox::Sandbox;
use crate::sandbox_error::SandboxError;
use crate::tools::Calls;
use crate::tools::ToolLimits;
use crate::tools::ToolLine;
use crate::tools::ToolLog;
use crate::tools::Worker;

/// Longest payload of a frame in these tests.
const LARGEST_PAYLOAD: ByteSize = ByteSize::kib(128);
const OUTPUT_BYTES: u64 = 10_000;
const FILES_BYTES: u64 = 20_000;
const RETURN_BYTES: u64 = 1000;
const WALL: Duration = Duration::from_millis(60);
/// A time limit that nothing here reaches.
const LONG: Duration = Duration::from_secs(60);

/// What a sandbox does once it sent everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Close,
    /// Closes without having read anything but its job.
    CloseUnread,
    /// Keeps its socket open and says nothing.
    Hang,
    /// Sends this, over and over.
    Flood(&'static [u8]),
}

fn job(wall: Duration) -> Job {
    let limits = Limits {
        wall,
        cpu: Duration::from_secs(1),
        memory: ByteSize::mib(1),
        output: ByteSize::bytes(OUTPUT_BYTES),
        return_value: ByteSize::bytes(RETURN_BYTES),
        files: ByteSize::bytes(FILES_BYTES),
        storage: ByteSize::bytes(1000),
    };
    Job {
        auto_install: true,
        ..Job::run(Language::JavaScript, "1", limits)
    }
}

/// Packages that are on, so that questions are looked into, but come from nowhere.
fn packages(directory: &std::path::Path) -> Packages {
    Packages::open(&settings(directory)).unwrap()
}

fn settings(directory: &std::path::Path) -> PackageSettings {
    let lock = directory.join("lock.json");
    std::fs::write(
        &lock,
        r#"{"info": {"abi_version": "1", "arch": "wasm32", "platform": "x", "python": "3.14.0", "version": "1"}, "packages": {}}"#,
    )
    .unwrap();
    PackageSettings::new(lock, directory.join("cache"))
}

/// Executes a job in a "sandbox" that sends `stream`. Returns the outcome and how long it took.
async fn execute(
    packages: &Packages,
    stream: Vec<u8>,
    then: Then,
) -> (Result<Report, SandboxError>, Duration) {
    execute_for(WALL, idle_process(), packages, stream, then).await
}

/// The same with another time limit, and with a process of the caller's.
async fn execute_for(
    wall: Duration,
    process: i32,
    packages: &Packages,
    stream: Vec<u8>,
    then: Then,
) -> (Result<Report, SandboxError>, Duration) {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let peer = std::thread::spawn(move || {
        let mut reader = theirs.try_clone().unwrap();
        // Like a sandbox that reads what it is sent, until the supervisor is done with it.
        let drain = std::thread::spawn(move || {
            let mut space = [0; 4096];
            if then == Then::CloseUnread {
                return;
            }
            while matches!(reader.read(&mut space), Ok(1..)) {}
        });
        if theirs.write_all(&stream).is_ok() {
            match then {
                Then::Close => theirs.shutdown(std::net::Shutdown::Both).unwrap_or(()),
                Then::CloseUnread => {
                    // The supervisor reads what was sent before it notices.
                    std::thread::sleep(Duration::from_millis(300));
                    theirs.shutdown(std::net::Shutdown::Both).unwrap_or(());
                }
                Then::Hang => {}
                Then::Flood(frames) => while theirs.write_all(frames).is_ok() {},
            }
        }
        drain.join().unwrap();
    });
    let instance = Arc::new(Semaphore::new(1)).acquire_owned().await.unwrap();
    let started = Instant::now();
    let socket = OwnedFd::from(ours);
    let prepared = Sandbox::prepare(process, socket, instance, LARGEST_PAYLOAD);
    let outcome = match tokio::time::timeout(Duration::from_secs(1), prepared).await {
        Ok(Ok(sandbox)) => match Execution::start(sandbox, &job(wall)).await {
            Ok(execution) => {
                let (_sender, mut line) = tools();
                let (admission, metrics) = (Admission::new(1, 1), Metrics::new([], []));
                let asks = Asks {
                    owner: Owner::Everybody,
                    weight: Weight::default(),
                    priority: Priority::Normal,
                };
                let mut permit = admission.enter(&asks, None).await.ok();
                let worker = Worker {
                    admission: &admission,
                    asks,
                    permit: &mut permit,
                };
                let mut calls = Calls::new(&mut line, worker, &metrics, None);
                let finished = execution.finish(packages, Attached::default(), Some(&mut calls));
                Ok(reported(finished.await))
            }
            Err(error) => Err(error),
        },
        Ok(Err(error)) => Err(error),
        Err(_) => Err(SandboxError::NotReady),
    };
    let took = started.elapsed();
    tokio::task::spawn_blocking(move || peer.join().unwrap())
        .await
        .unwrap();
    (outcome, took)
}

/// A line to a caller who lends a tool and answers nothing.
fn tools() -> (UnboundedSender<Vec<ToolAnswer>>, ToolLine) {
    let tools = format!(r#"[{{"name": "{TOOL}"}}]"#);
    let (sender, answers) = mpsc::unbounded_channel();
    let line = ToolLine {
        tools: ToolSet::new(serde_json::from_str(&tools).unwrap()).unwrap(),
        limits: ToolLimits {
            calls: 10,
            bytes: ByteSize::kib(1),
            call_wait: WALL,
            total_wait: WALL,
        },
        answers,
        log: ToolLog::default(),
    };
    (sender, line)
}

/// The report of an execution whose packages come from nowhere.
fn reported(finished: Finished) -> Report {
    match finished {
        Finished::Reported { report, .. } => *report,
        Finished::Lacks(packages) => panic!("lacks {packages:?}"),
    }
}

/// Highest resident memory of this process so far, in bytes.
fn peak_memory() -> u64 {
    ProcessStatus::own().unwrap().peak_resident_bytes
}

fn size_of_content(content: &Content) -> usize {
    match content {
        Content::Text(text) => text.len(),
        Content::Json(json) => json.get().len(),
        Content::Bytes(bytes) => bytes.len(),
    }
}

fn check(report: &Report) -> Result<(), TestCaseError> {
    // Bytes that are no UTF-8 become three each; the last line of stderr is the supervisor's own.
    let output = report.stdout.len() + report.stderr.len();
    prop_assert!(output as u64 <= 3 * OUTPUT_BYTES + 500, "{output} bytes");
    let files: usize = report.files.iter().map(|file| file.contents.len()).sum();
    let representations = report.results.iter().flat_map(|one| &one.representations);
    let shown: usize = representations
        .clone()
        .map(|(_, content)| size_of_content(content))
        .sum();
    let handed_back = files + shown;
    prop_assert!(
        handed_back as u64 <= FILES_BYTES,
        "{files} bytes of files, {shown} of results"
    );
    prop_assert!(report.files.len() <= 100);
    prop_assert!(report.results.len() <= protocol::MAX_RESULTS);
    for (media_type, content) in representations {
        prop_assert!(protocol::is_media_type(media_type), "{media_type:?}");
        if let Content::Json(json) = content {
            prop_assert!(
                serde_json::from_str::<serde_json::Value>(json.get()).is_ok(),
                "{json}"
            );
        }
    }
    let returned = report.return_value.as_ref().map_or(0, String::len);
    prop_assert!(returned as u64 <= RETURN_BYTES, "{returned} bytes returned");
    for file in &report.files {
        prop_assert!(protocol::is_file_name(&file.name), "{:?}", file.name);
    }
    Ok(())
}

#[test]
fn whatever_a_sandbox_sends_ends_in_time_and_within_limits() {
    let runtime = runtime();
    let directory = tempfile::tempdir().unwrap();
    let packages = packages(directory.path());
    let then = prop_oneof![
        20 => Just(Then::Close),
        1 => Just(Then::Hang),
    ];
    let before = peak_memory();
    let mut runner = TestRunner::new(Config {
        cases: 400,
        max_shrink_iters: 200,
        failure_persistence: None,
        ..Config::default()
    });
    let streams = (any::<u8>(), proptest::collection::vec(piece(), 0..25), then);
    let result = runner.run(&streams, |(start, pieces, then)| {
        let mut stream = Vec::new();
        // Most get past the greeting, since that is where most of the code is.
        if start >= 16 {
            Piece::Frame(Event::Ready).put(&mut stream);
        }
        if start >= 32 {
            Piece::Frame(Event::Started).put(&mut stream);
        }
        for piece in &pieces {
            piece.put(&mut stream);
        }
        let (outcome, took) = runtime.block_on(execute(&packages, stream, then));
        // A hanging greeting is given the time that a busy machine may need for it.
        let limit = match &outcome {
            Err(SandboxError::NotReady) => Duration::from_secs(12),
            // It may have waited for its tools as long as it ran.
            _ => WALL * 2 + LATE,
        };
        prop_assert!(took < limit, "took {took:?}");
        match &outcome {
            Ok(report) => check(report),
            Err(_) => Ok(()),
        }
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
    let grown = peak_memory().saturating_sub(before);
    assert!(grown < 128 << 20, "memory grew by {grown} bytes");
}

#[test]
fn a_sandbox_that_never_pauses_is_stopped_all_the_same() {
    let runtime = runtime();
    let directory = tempfile::tempdir().unwrap();
    let packages = packages(directory.path());
    let greeting = [Event::Ready.encode(), Event::Started.encode()].concat();
    // Frames that carry nothing all the same: empty output, and files with invalid names.
    let empty = Event::Output(true, Vec::new()).encode().repeat(2000);
    let files = Event::File("..".to_owned(), vec![0; 10])
        .encode()
        .repeat(2000);
    let questions = Event::Package(0, "x".to_owned(), String::new())
        .encode()
        .repeat(100);
    let flood = Status::Exceeded(Limit::Output);
    for (frames, status) in [(empty, flood), (files, flood), (questions, Status::Killed)] {
        let flood = Then::Flood(Box::leak(frames.into_boxed_slice()));
        let executed = execute_for(LONG, idle_process(), &packages, greeting.clone(), flood);
        let (outcome, took) = runtime.block_on(executed);
        let report = outcome.unwrap();
        assert_eq!(report.status, status, "{}", report.stderr);
        assert!(took < LONG, "took {took:?}");
    }
}

/// What native code can do about RLIMIT_DATA: what is filled, and then may only be read or not even that,
/// is not counted.
const FILL_AND_PROTECT: &str = r#"
import ctypes, mmap, resource, sys, time
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
size = 4 << 20
_, most = resource.getrlimit(resource.RLIMIT_DATA)
resource.setrlimit(resource.RLIMIT_DATA, (64 << 20, most))
print("ready", flush=True)
sys.stdin.read(1)
for number in range(512):
    piece = libc.mmap(None, size, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
    if piece in (None, 2**64 - 1):
        break
    libc.memset(piece, 1, size)
    libc.mprotect(piece, size, number % 2)
time.sleep(600)
"#;

#[test]
fn memory_that_the_kernel_does_not_count_runs_into_the_limit_all_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let packages = packages(directory.path());
    runtime().block_on(async {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let (go, mut told) = std::io::pipe().unwrap();
        let (mut ready, says_ready) = std::io::pipe().unwrap();
        let child = spawn(
            Command::new("python3")
                .args(["-c", FILL_AND_PROTECT])
                .stdin(go)
                .stdout(says_ready),
        );
        ready.read_exact(&mut [0; 6]).unwrap();
        let greeting = [Event::Ready.encode(), Event::Started.encode()].concat();
        theirs.write_all(&greeting).unwrap();
        let instance = Arc::new(Semaphore::new(1)).acquire_owned().await.unwrap();
        let prepared = Sandbox::prepare(child, OwnedFd::from(ours), instance, LARGEST_PAYLOAD);
        let mut job = job(LONG);
        job.limits.cpu = Duration::from_secs(60);
        job.limits.memory = ByteSize::mib(64);
        let execution = Execution::start(prepared.await.unwrap(), &job)
            .await
            .unwrap();
        told.write_all(b"x").unwrap();
        let report = reported(execution.finish(&packages, Attached::default(), None).await);
        assert_eq!(report.status, Status::Exceeded(Limit::Memory), "{report:?}");
        let held = report.usage.peak_memory;
        eprintln!("held {} MiB at a limit of 64", held.get() >> 20);
        assert!(held < ByteSize::mib(500), "{held:?}");
    });
}

#[test]
fn a_sandbox_that_the_kernel_killed_for_a_system_call_violated_the_rules() {
    let runtime = runtime();
    let directory = tempfile::tempdir().unwrap();
    let packages = packages(directory.path());
    let printed = Event::Output(true, b"begin\n".to_vec());
    let stream = [Event::Ready, Event::Started, printed].map(|event| event.encode());
    for (signal, status, exit_code) in [
        (libc::SIGSYS, Status::Violation, 159),
        (libc::SIGKILL, Status::Killed, 137),
    ] {
        let process = idle_process();
        // SAFETY: kill takes two numbers; the process is our own child and not reaped yet.
        unsafe { libc::kill(process, signal) };
        let zombie = || std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
        while !zombie().contains(") Z") {
            std::thread::yield_now();
        }
        let execution = execute_for(LONG, process, &packages, stream.concat(), Then::CloseUnread);
        let report = runtime.block_on(execution).0.unwrap();
        assert_eq!((report.status, report.exit_code), (status, exit_code));
        assert_eq!(report.stdout, "begin\n");
        let says_why = report
            .stderr
            .contains("a system call that no honest program makes");
        assert_eq!(says_why, status == Status::Violation, "{}", report.stderr);
    }
}

/// The report of a sandbox that greets and sends this, whatever its job.
fn report_of(events: &[Event]) -> Report {
    let directory = tempfile::tempdir().unwrap();
    let packages = packages(directory.path());
    let greeting = [Event::Ready, Event::Started];
    let stream = greeting.iter().chain(events).flat_map(Event::encode);
    let executed = execute(&packages, stream.collect(), Then::Hang);
    runtime().block_on(executed).0.unwrap()
}

#[test]
fn a_sandbox_that_has_begun_its_program_cannot_have_it_begun_again() {
    let directory = tempfile::tempdir().unwrap();
    let own = settings(directory.path());
    let lock = serde_json::json!({ "packages": { "six": {
        "name": "six", "version": "1", "file_name": "six-1.whl", "sha256": "0".repeat(64), "imports": ["six"],
    }}});
    std::fs::write(&own.bundled_lock, lock.to_string()).unwrap();
    let distribution = Some(directory.path().to_str().unwrap().to_owned());
    let packages = Packages::open(&PackageSettings {
        distribution,
        ..own
    })
    .unwrap();
    let imports = |modules: &str| Event::Package(5, modules.to_owned(), String::new());
    let end = Event::Finished(0, None, None, Stages::default(), false);
    let output = Event::Output(true, b"begun".to_vec());
    let job = job(WALL);
    let finished = |events: &[Event]| finished(events, &job, &packages, Attached::default());
    match finished(&[imports("nothing-like-it\nsix\n../six"), end.clone()]) {
        Finished::Lacks(found) => assert_eq!(found, ["six"]),
        Finished::Reported { report, .. } => panic!("{report:?}"),
    }
    let begun = reported(finished(&[output, imports("six"), end]));
    assert_eq!(
        (begun.status, begun.stdout.as_str()),
        (Status::Success, "begun")
    );
}

#[test]
fn a_sandbox_cannot_return_more_than_the_limit() {
    let returning = |bytes: u64| {
        let value = "x".repeat(bytes as usize);
        report_of(&[Event::Finished(
            0,
            Some(value),
            None,
            Stages::default(),
            false,
        )])
    };
    let report = returning(RETURN_BYTES);
    assert_eq!(report.status, Status::Success);
    assert_eq!(report.return_value.unwrap().len() as u64, RETURN_BYTES);
    let report = returning(RETURN_BYTES + 1);
    assert_eq!(report.status, Status::Exceeded(Limit::ReturnValue));
    assert_eq!(report.return_value, None);
}

#[test]
fn a_sandbox_cannot_pass_anything_but_a_picture_off_as_an_artifact() {
    let result = |media_type: &str, kind: u8| {
        let content = Event::Representation(media_type.to_owned(), kind, b"1".to_vec());
        [content, Event::Result(false, Some("a.png".to_owned()))]
    };
    let (text, json, bytes) = (0, 1, 2);
    let claimed = [
        ("text/html", text),
        ("image/svg+xml", bytes),
        ("IMAGE/PNG", bytes),
        ("image/png", json),
        ("image/png", bytes),
    ];
    let mut events: Vec<Event> = claimed
        .into_iter()
        .flat_map(|(media_type, kind)| result(media_type, kind))
        .collect();
    events.push(Event::Finished(0, None, None, Stages::default(), false));
    let report = report_of(&events);
    let artifacts: Vec<_> = report.results.iter().map(|one| one.artifact()).collect();
    let picture: &[u8] = b"1";
    assert_eq!(
        artifacts,
        [None, None, None, None, Some(("a.png", picture))]
    );
}

#[test]
fn a_sandbox_that_ends_before_it_reads_an_answer_is_heard_to_the_end() {
    let runtime = runtime();
    let directory = tempfile::tempdir().unwrap();
    let wheels = directory.path().join("wheels");
    std::fs::create_dir(&wheels).unwrap();
    let wheel = "large-1.0-py3-none-any.whl";
    // More than fits into the socket, so that the answer is still being sent.
    std::fs::write(wheels.join(wheel), vec![0; 900 << 10]).unwrap();
    let mut settings = settings(directory.path());
    settings.wheelhouse = Some(wheels);
    let packages = Packages::open(&settings).unwrap();
    let question = Event::Package(1, "large".to_owned(), wheel.to_owned());
    let end = Event::Finished(1, None, Some(Limit::Memory), Stages::default(), false);
    let stream = [Event::Ready, Event::Started, question, end].map(|event| event.encode());
    let executed = execute_for(
        LONG,
        idle_process(),
        &packages,
        stream.concat(),
        Then::CloseUnread,
    );
    let (outcome, took) = runtime.block_on(executed);
    assert_eq!(outcome.unwrap().status, Status::Exceeded(Limit::Memory));
    assert!(took < LONG, "took {took:?}");
}

/// Runs a job in a sandbox that says this, and then no more.
fn finished(events: &[Event], job: &Job, packages: &Packages, attached: Attached<'_>) -> Finished {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let greeting = [Event::Ready, Event::Started];
    let stream = greeting.iter().chain(events).flat_map(Event::encode);
    theirs.write_all(&stream.collect::<Vec<u8>>()).unwrap();
    theirs.shutdown(std::net::Shutdown::Write).unwrap();
    runtime().block_on(async {
        let instance = Arc::new(Semaphore::new(1)).acquire_owned().await.unwrap();
        let socket = OwnedFd::from(ours);
        let prepared = Sandbox::prepare(idle_process(), socket, instance, LARGEST_PAYLOAD);
        let execution = Execution::start(prepared.await.unwrap(), job)
            .await
            .unwrap();
        execution.finish(packages, attached, None).await
    })
}

#[test]
fn a_sandbox_answers_no_more_inputs_than_it_was_given_and_its_end_is_that_of_the_one_it_was_at() {
    let directory = tempfile::tempdir().unwrap();
    let packages = packages(directory.path());
    let answered = |events: &[Event]| {
        let (rows, mut told) = tokio::sync::mpsc::unbounded_channel();
        let mut job = job(WALL);
        job.further_inputs = vec!["1".to_owned(); 2];
        let attached = Attached {
            rows: Some(&rows),
            ..Attached::default()
        };
        let last = reported(finished(events, &job, &packages, attached));
        let told = std::iter::from_fn(|| told.try_recv().ok());
        let outputs: Vec<_> = told.map(|report| report.stdout).collect();
        (outputs, last.stdout, last.status)
    };
    let output = |text: &str| Event::Output(true, text.as_bytes().to_vec());
    let end = || Event::Finished(0, None, None, Stages::default(), true);
    let all = [
        output("1"),
        end(),
        output("2"),
        end(),
        output("3"),
        end(),
        output("4"),
        end(),
    ];
    assert_eq!(
        answered(&all),
        (
            vec!["1".to_owned(), "2".to_owned()],
            "3".to_owned(),
            Status::Success
        )
    );
    assert_eq!(
        answered(&all[..3]),
        (vec!["1".to_owned()], "2".to_owned(), Status::Killed)
    );
}
