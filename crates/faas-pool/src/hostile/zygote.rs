//! Zygotes that lie, or say nothing.

use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use faas_linux::socket_pair;
use faas_protocol as protocol;
use faas_protocol::ByteSize;
use faas_protocol::KeptForks;
use faas_protocol::Layers;
use faas_protocol::RuntimeVersion;
use faas_protocol::ZygoteEvent;
use proptest::prelude::*;
use proptest::test_runner::Config;
use proptest::test_runner::TestRunner;
use rustix::net::SendFlags;
use rustix::net::SocketType;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;
use tokio::sync::mpsc;
use tokio::sync::oneshot;

use super::LATE;
use super::idle_process;
use super::runtime;
use crate::process::ChildProcess;
use crate::zygote;
use crate::zygote::ForkRequest;

/// What a lying zygote sends: packets, since its socket keeps them apart.
fn packet() -> impl Strategy<Value = Vec<u8>> {
    let encode = |event: &ZygoteEvent| protocol::encode(event);
    prop_oneof![
        3 => any::<i32>().prop_map(move |pid| encode(&ZygoteEvent::Forked { pid })),
        1 => (-2..3i32).prop_map(move |pid| encode(&ZygoteEvent::Forked { pid })),
        1 => any::<i32>().prop_map(move |errno| encode(&ZygoteEvent::ForkFailed { errno })),
        1 => ".{0,100}".prop_map(move |text| encode(&ZygoteEvent::Booted {
            version: RuntimeVersion {
                engine: text.clone(),
                language: Some(text.clone()),
            },
            layers: Layers::default(),
            no_code_cache: Some(text.clone()),
            kept_forks: KeptForks::Nowhere(text),
        })),
        1 => Just(encode(&ZygoteEvent::WarmedUp)),
        2 => proptest::collection::vec(any::<u8>(), 1..300),
    ]
}

#[test]
fn whatever_a_zygote_sends_harms_no_other_process() {
    let runtime = runtime();
    let bystander = runtime.block_on(async { ChildProcess::adopt(idle_process(), ()).unwrap() });
    let mut runner = TestRunner::new(Config {
        cases: 100,
        failure_persistence: None,
        ..Config::default()
    });
    let packets = proptest::collection::vec(packet(), 0..12);
    let bystander_pid = bystander.pid();
    let result = runner.run(&(packets, any::<u8>()), |(packets, name_bystander)| {
        let (ours, theirs) = socket_pair(SocketType::SEQPACKET).unwrap();
        let mut packets = packets;
        if name_bystander.is_multiple_of(2) {
            packets.insert(
                0,
                protocol::encode(&ZygoteEvent::Forked { pid: bystander_pid }),
            );
        }
        runtime.block_on(async {
            for packet in &packets {
                rustix::net::send(&theirs, packet, SendFlags::NOSIGNAL).unwrap();
            }
            let (_base, requests) = mpsc::channel(1);
            let served = zygote::serve_liar(ours, idle_process(), requests, 3);
            // It ends by itself, or goes on waiting for a zygote that says nothing more.
            let _ = tokio::time::timeout(Duration::from_millis(150), served).await;
        });
        let stat = std::fs::read_to_string(format!("/proc/{bystander_pid}/stat")).unwrap();
        prop_assert!(!stat.contains(") Z"), "the bystander is dead: {stat}");
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
}

/// A zygote wanted, with requirements of so many bytes.
fn fork_request(bytes: usize) -> (ForkRequest, oneshot::Receiver<(i32, OwnedSemaphorePermit)>) {
    let place = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
    let (reply, answer) = oneshot::channel();
    let request = ForkRequest {
        requirements: vec!["x".repeat(bytes)],
        storage: ByteSize::mib(1),
        job: socket_pair(SocketType::STREAM).unwrap().0,
        control: socket_pair(SocketType::SEQPACKET).unwrap().0,
        log: std::io::pipe().unwrap().1,
        place,
        reply,
    };
    (request, answer)
}

/// Serves a zygote that reads and says nothing, has `zygotes` forked from it that take `bytes` to name,
/// and returns why it is given up.
async fn serve_silent(sandboxes: usize, zygotes: usize, bytes: usize) -> String {
    let (ours, _theirs) = socket_pair(SocketType::SEQPACKET).unwrap();
    let (base, requests) = mpsc::channel(zygotes.max(1));
    let mut answers = Vec::new();
    for _ in 0..zygotes {
        let (request, answer) = fork_request(bytes);
        base.send(request).await.unwrap();
        answers.push(answer);
    }
    let down = zygote::serve_liar(ours, idle_process(), requests, sandboxes).await;
    for answer in answers {
        assert!(answer.await.is_err(), "nobody waits any longer");
    }
    down
}

#[test]
fn a_zygote_that_answers_nothing_is_given_up() {
    let started = Instant::now();
    let downs = runtime().block_on(async {
        tokio::join!(
            serve_silent(3, 0, 0),
            serve_silent(0, 1, 10),
            // More than its socket holds, so that asking waits, too.
            serve_silent(0, 64, 15_000),
        )
    });
    for down in [downs.0, downs.1, downs.2] {
        assert_eq!(down, "it did not answer within 10s");
    }
    let took = started.elapsed();
    assert!(took < 2 * zygote::ANSWERS_WITHIN + LATE, "{took:?}");
}
