//! From rules to the program that the kernel runs for each system call.

use std::collections::BTreeMap;

use seccompiler::BpfProgram;
use seccompiler::SeccompAction;
use seccompiler::SeccompFilter;
use seccompiler::SeccompRule;
use seccompiler::sock_filter;

use super::killing::KILLING;
#[cfg(target_arch = "x86_64")]
use super::killing::X32;

/// Why there is no filter: the architecture has none, or a rule is wrong.
pub type Error = seccompiler::BackendError;

/// Calls by number. Those without rules are allowed with any arguments, the others if one of their
/// rules holds.
pub type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// A call that the supervisor is asked about when an argument has this value.
pub struct Marked {
    pub call: i64,
    pub argument: u8,
    pub mark: u64,
    /// How it is asked: what the filter returns.
    pub action: u32,
}

/// The program of a filter that allows what the rules say, and of what they do not allow hands some calls on.
///
/// # Errors
/// When the architecture has no filter, or a rule is wrong.
pub fn compile(rules: Rules, handed_on: &[Marked]) -> Result<BpfProgram, Error> {
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::Errno(libc::EPERM as u32),
        SeccompAction::Allow,
        std::env::consts::ARCH.try_into()?,
    )?;
    let mut program = filter.try_into()?;
    judge_refused(&mut program, handed_on);
    Ok(program)
}

/// Has a program decide per call what becomes of one that it refuses. seccompiler knows one action for
/// all of them; where it would return that, the program now goes on to a table behind it. Calls that are
/// allowed never get there, so the table's length costs them nothing. The architecture was checked by then.
fn judge_refused(program: &mut BpfProgram, handed_on: &[Marked]) {
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    const JUMP: u16 = (libc::BPF_JMP | libc::BPF_JA) as u16;
    const JUMP_IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    let instruction = |code, k, jt, jf| sock_filter { code, jt, jf, k };
    let fail = instruction(RETURN, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32, 0, 0);
    let kill = instruction(RETURN, libc::SECCOMP_RET_KILL_PROCESS, 0, 0);

    let table = program.len();
    for (index, refused) in program.iter_mut().enumerate() {
        if *refused == fail {
            *refused = instruction(JUMP, (table - index - 1) as u32, 0, 0);
        }
    }
    // The number is the first field of what the filter is given, and the arguments are the last ones
    // (struct seccomp_data), of 64 bits each, here with the lower half first.
    program.push(instruction(LOAD, 0, 0, 0));
    for marked in handed_on {
        let low = 16 + 8 * u32::from(marked.argument);
        program.extend([
            instruction(JUMP_IF_EQUAL, marked.call as u32, 0, 6),
            instruction(LOAD, low, 0, 0),
            instruction(JUMP_IF_EQUAL, marked.mark as u32, 0, 3),
            instruction(LOAD, low + 4, 0, 0),
            instruction(JUMP_IF_EQUAL, (marked.mark >> 32) as u32, 0, 1),
            instruction(RETURN, marked.action, 0, 0),
            instruction(LOAD, 0, 0, 0),
        ]);
    }
    #[cfg(target_arch = "x86_64")]
    {
        const JUMP_FROM: u16 = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
        program.extend([instruction(JUMP_FROM, X32 as u32, 0, 1), kill.clone()]);
    }
    for &call in KILLING {
        program.extend([instruction(JUMP_IF_EQUAL, call as u32, 0, 1), kill.clone()]);
    }
    program.push(fail);
}

/// What a program answers to a call with zeroes for arguments.
#[cfg(test)]
pub fn verdict(program: &BpfProgram, call: u32) -> u32 {
    verdict_on(program, call, [0; 6])
}

/// What a program answers to a call, as the kernel would run it.
#[cfg(test)]
pub fn verdict_on(program: &BpfProgram, call: u32, arguments: [u64; 6]) -> u32 {
    // AUDIT_ARCH_X86_64, AUDIT_ARCH_AARCH64.
    let architecture: u32 = if cfg!(target_arch = "x86_64") {
        0xc000_003e
    } else {
        0xc000_00b7
    };
    let (mut at, mut accumulator) = (0, 0u32);
    loop {
        let instruction = &program[at];
        let k = instruction.k;
        let branch = |holds: bool| {
            usize::from(if holds {
                instruction.jt
            } else {
                instruction.jf
            })
        };
        at += 1;
        match u32::from(instruction.code) {
            0x20 => {
                accumulator = match k {
                    0 => call,
                    4 => architecture,
                    8.. if k >= 16 => {
                        let argument = arguments[(k as usize - 16) / 8];
                        (if k.is_multiple_of(8) {
                            argument
                        } else {
                            argument >> 32
                        }) as u32
                    }
                    _ => 0,
                }
            }
            0x06 => return k,
            0x05 => at += k as usize,
            0x15 => at += branch(accumulator == k),
            0x25 => at += branch(accumulator > k),
            0x35 => at += branch(accumulator >= k),
            0x54 => accumulator &= k,
            other => panic!("instruction {other:#x}"),
        }
    }
}
