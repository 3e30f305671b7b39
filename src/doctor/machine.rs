//! What takes no time to look at: the kernel, the user, limits, memory.

use faas_linux::Cgroup;
use faas_linux::MemoryRoom;
use rustix::process::Resource;

use super::Finding;
use crate::settings::Settings;

/// Threads of the server itself, and processes besides sandboxes and zygotes, with some room.
const OWN_TASKS: u64 = 64;

/// Looks at what the kernel, the limits of this process and its control group allow.
pub fn look_at_machine(settings: &Settings) -> Vec<Finding> {
    let cgroup = Cgroup::of_this_process();
    let mut findings = vec![kernel()];
    findings.extend(layers(settings));
    findings.extend([
        user(),
        stack(),
        descriptors(settings),
        tasks(settings, &cgroup),
        memory(settings, &cgroup),
    ]);
    findings
}

fn kernel() -> Finding {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    Finding::warning_unless(
        version_of(&release).is_none_or(|version| version >= (5, 13)),
        "kernel",
        "this kernel is older than Linux 5.13, from which on it has Landlock; use a newer one",
        format!("Linux {}", release.trim()),
    )
}

/// The first two numbers of a kernel's release.
fn version_of(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|it: char| !it.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn layers(settings: &Settings) -> Vec<Finding> {
    let layers = faas_lockdown::probe_layers();
    let present = layers.present.iter();
    let present = present.map(|layer| Finding::holds("lock-down layer", layer.name()));
    let missing = layers.missing.iter().map(|layer| {
        let seen = layer.name();
        match settings.require_sandbox {
            true => Finding::failure(
                "lock-down layer",
                "this machine lacks a lock-down layer, which FAAS_REQUIRE_SANDBOX asks for; use a kernel that \
                 has it (a container runtime may hide it), or set FAAS_REQUIRE_SANDBOX=0",
                seen,
            ),
            false => Finding::warning(
                "lock-down layer",
                "this machine lacks a lock-down layer; use a kernel that has it (a container runtime may hide it)",
                seen,
            ),
        }
    });
    present.chain(missing).collect()
}

fn user() -> Finding {
    let user = rustix::process::geteuid();
    Finding::warning_unless(
        !user.is_root(),
        "user",
        "the server runs as root, whose powers the supervisor keeps; use a user of its own",
        format!("user {}", user.as_raw()),
    )
}

fn stack() -> Finding {
    let limit = rustix::process::getrlimit(Resource::Stack).maximum;
    let shown = limit.map_or("no limit".to_owned(), |limit| {
        format!("{} MiB", limit >> 20)
    });
    Finding::warning_unless(
        limit.is_none_or(|limit| limit >= faas_linux::MOST_STACK),
        "stack",
        "the stack may not grow as far as it should; raise its hard limit (ulimit -Hs)",
        format!("{shown}, wanted are {} MiB", faas_linux::MOST_STACK >> 20),
    )
}

fn descriptors(settings: &Settings) -> Finding {
    let wanted = u64::from(settings.max_connections) + settings.descriptors_without_connections();
    let limit = rustix::process::getrlimit(Resource::Nofile).maximum;
    Finding::warning_unless(
        limit.is_none_or(|limit| limit >= wanted),
        "open files",
        "there may be fewer open files than FAAS_MAX_CONNECTIONS, FAAS_MAX_INSTANCES, FAAS_SNAPSHOTS and FAAS_SESSIONS \
         take; raise the hard limit (ulimit -Hn) or lower these",
        format!("{}, wanted are {wanted}", shown(limit)),
    )
}

fn tasks(settings: &Settings, cgroup: &Cgroup) -> Finding {
    let wanted = settings.most_sandboxes() + settings.most_zygotes() + OWN_TASKS;
    // The limit of a user does not hold for root.
    let of_user = rustix::process::getrlimit(Resource::Nproc)
        .maximum
        .filter(|_| !rustix::process::geteuid().is_root());
    let limit = [of_user, cgroup.tasks].into_iter().flatten().min();
    Finding::warning_unless(
        limit.is_none_or(|limit| limit >= wanted),
        "processes",
        "there may be fewer processes than FAAS_MAX_INSTANCES, FAAS_SNAPSHOTS and FAAS_SESSIONS take; raise the limit \
         (ulimit -Hu, pids, TasksMax) or lower these",
        format!("{}, wanted are {wanted}", shown(limit)),
    )
}

fn memory(settings: &Settings, cgroup: &Cgroup) -> Finding {
    let wanted = settings.most_memory();
    let installed = MemoryRoom::of_the_machine().map(|room| room.most);
    let limit = [installed, cgroup.memory].into_iter().flatten().min();
    let shown = limit.map_or("unknown".to_owned(), |limit| format!("{} MiB", limit >> 20));
    Finding::warning_unless(
        limit.is_none_or(|limit| limit >= wanted.get()),
        "memory",
        "programs that are all at their limits take more memory than there is, and the kernel would end some; \
         lower FAAS_WORKER_COUNT or FAAS_MEMORY_LIMIT",
        format!("{shown}, at most {} MiB are used", wanted.get() >> 20),
    )
}

fn shown(limit: Option<u64>) -> String {
    limit.map_or("no limit".to_owned(), |limit| limit.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_a_kernel_is_in_its_release() {
        assert_eq!(version_of("6.12.57+deb13-amd64\n"), Some((6, 12)));
        assert_eq!(version_of("5.4.0-42-generic"), Some((5, 4)));
        assert_eq!(version_of("unknown"), None);
    }
}
