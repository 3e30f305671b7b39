//! Messages as bytes.

use serde::Deserialize;
use serde::Serialize;

use crate::Stream;

/// Length of a frame's header, in bytes.
pub const HEADER_BYTES: usize = 4;

/// Longest frame that a sandbox may send, apart from one that carries a return value or a file, in
/// bytes.
pub const MAX_OUTPUT_FRAME_BYTES: usize = 64 * 1024;

/// Room for the beginning of a frame with output.
pub const OUTPUT_PREFIX_BYTES: usize = 16;

/// Room in a frame beside its payload, in bytes: kinds, lengths, numbers.
pub const FRAME_SLACK_BYTES: usize = 1024;

/// Bytes that are not a message.
#[derive(Debug, thiserror::Error)]
#[error("malformed message: {0}")]
pub struct Malformed(#[from] postcard::Error);

/// Encodes a control message.
///
/// The messages here have known lengths, so postcard has nothing to refuse. If it did, the empty
/// packet would be refused at the other end.
pub fn encode<T: Serialize>(message: &T) -> Vec<u8> {
    postcard::to_stdvec(message).unwrap_or_default()
}

/// Decodes a message.
///
/// # Errors
/// [`Malformed`] if the bytes are not exactly one message.
pub fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Malformed> {
    let (message, rest) = postcard::take_from_bytes(bytes)?;
    if rest.is_empty() {
        Ok(message)
    } else {
        Err(Malformed(postcard::Error::DeserializeBadEncoding))
    }
}

/// Encodes a message with its header.
///
/// # Errors
/// [`Malformed`] if the message is longer than 4 GiB.
pub fn encode_frame<T: Serialize>(message: &T) -> Result<Vec<u8>, Malformed> {
    let mut frame = postcard::to_extend(message, vec![0; HEADER_BYTES])?;
    let length = u32::try_from(frame.len() - HEADER_BYTES)
        .map_err(|_| Malformed(postcard::Error::SerializeBufferFull))?;
    frame[..HEADER_BYTES].copy_from_slice(&length.to_le_bytes());
    Ok(frame)
}

/// The beginning of the frame of a [`PackageAnswer::Contents`](crate::PackageAnswer::Contents), which
/// this many bytes have to follow. They need not be copied to be sent.
///
/// # Errors
/// [`Malformed`] if the message is longer than 4 GiB.
pub fn encode_contents_prefix(length: usize) -> Result<Vec<u8>, Malformed> {
    /// As far as it goes, the same bytes as the answer's.
    #[derive(Serialize)]
    enum Prefix {
        Contents(usize),
    }
    let mut frame = postcard::to_extend(&Prefix::Contents(length), vec![0; HEADER_BYTES])?;
    let whole = u32::try_from(frame.len() - HEADER_BYTES + length)
        .map_err(|_| Malformed(postcard::Error::SerializeBufferFull))?;
    frame[..HEADER_BYTES].copy_from_slice(&whole.to_le_bytes());
    Ok(frame)
}

/// The beginning of the frame of a [`SandboxEvent::Output`](crate::SandboxEvent::Output), which this
/// many bytes have to follow. Returns it in the first so many bytes of an array.
///
/// # Errors
/// Never for output of less than 4 GiB.
pub fn encode_output_prefix(
    stream: Stream,
    length: usize,
) -> Result<([u8; OUTPUT_PREFIX_BYTES], usize), Malformed> {
    let mut prefix = [0; OUTPUT_PREFIX_BYTES];
    // Without bytes the message ends with their number, which is one byte then.
    let empty = crate::SandboxEvent::Output { stream, bytes: &[] };
    let kind = encode_frame_into(&empty, &mut prefix)? - 1;
    let number = prefix.get_mut(kind..).unwrap_or_default();
    let end = kind + postcard::to_slice(&length, number)?.len();
    let whole = u32::try_from(end - HEADER_BYTES + length)
        .map_err(|_| Malformed(postcard::Error::SerializeBufferFull))?;
    prefix[..HEADER_BYTES].copy_from_slice(&whole.to_le_bytes());
    Ok((prefix, end))
}

/// Encodes a message with its header into `space`, without any memory from the heap. Returns the
/// frame's length in bytes.
///
/// # Errors
/// [`Malformed`] if there is not room for it.
pub fn encode_frame_into<T: Serialize>(message: &T, space: &mut [u8]) -> Result<usize, Malformed> {
    let full = || Malformed(postcard::Error::SerializeBufferFull);
    let (header, body) = space.split_at_mut_checked(HEADER_BYTES).ok_or_else(full)?;
    let length = postcard::to_slice(message, body)?.len();
    header.copy_from_slice(&u32::try_from(length).map_err(|_| full())?.to_le_bytes());
    Ok(HEADER_BYTES + length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Invocation;
    use crate::Job;
    use crate::Language;
    use crate::Limits;
    use crate::PackageAnswer;
    use crate::SandboxEvent;
    use crate::Stream;
    use crate::Task;
    use crate::ZygoteEvent;

    const HI: SandboxEvent<'_> = SandboxEvent::Output {
        stream: Stream::Stdout,
        bytes: b"hi",
    };

    #[test]
    fn a_frame_is_its_length_and_its_message() {
        let frame = encode_frame(&HI).unwrap();
        let (header, body) = frame.split_at(HEADER_BYTES);
        assert_eq!(
            u32::from_le_bytes(header.try_into().unwrap()) as usize,
            body.len()
        );
        assert_eq!(decode::<SandboxEvent>(body).unwrap(), HI);
    }

    #[test]
    fn a_frame_without_the_heap_is_the_same_frame() {
        let frame = encode_frame(&HI).unwrap();
        let mut space = [0; 64];
        let length = encode_frame_into(&HI, &mut space).unwrap();
        assert_eq!(space[..length], frame);
        for room in 0..frame.len() {
            assert!(encode_frame_into(&HI, &mut space[..room]).is_err());
        }
    }

    #[test]
    fn contents_after_their_prefix_are_the_frame_of_a_package_answer() {
        for length in [0, 1, 127, 128, 1 << 14, 1 << 20] {
            let contents = vec![7; length];
            let prefix = encode_contents_prefix(length).unwrap();
            let frame = encode_frame(&PackageAnswer::Contents(&contents)).unwrap();
            assert_eq!([prefix, contents].concat(), frame);
        }
        assert!(encode_contents_prefix(u32::MAX as usize).is_err());
    }

    #[test]
    fn output_after_its_prefix_is_the_frame_of_a_sandbox() {
        for (length, stream) in [0, 1, 127, 128, 1 << 14, 1 << 16]
            .into_iter()
            .zip([Stream::Stdout, Stream::Stderr].into_iter().cycle())
        {
            let bytes = vec![7; length];
            let (prefix, end) = encode_output_prefix(stream, length).unwrap();
            let event = SandboxEvent::Output {
                stream,
                bytes: &bytes,
            };
            assert_eq!(
                [&prefix[..end], &bytes].concat(),
                encode_frame(&event).unwrap()
            );
        }
    }

    #[test]
    fn bytes_after_a_message_are_refused() {
        let mut bytes = encode(&SandboxEvent::Ready);
        bytes.push(0);
        assert!(decode::<SandboxEvent>(&bytes).is_err());
    }

    #[test]
    fn a_length_beyond_the_frame_is_refused() {
        let bytes = encode(&HI);
        let kind_and_stream = &bytes[..2];
        // A payload that claims to be of 2^32 - 1 bytes.
        let liar = [kind_and_stream, &[0xff, 0xff, 0xff, 0xff, 0x0f, 1]].concat();
        assert!(decode::<SandboxEvent>(&liar).is_err());
    }

    proptest! {
        #[test]
        fn garbage_from_a_sandbox_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
            let _ = decode::<SandboxEvent>(&bytes);
            let _ = decode::<ZygoteEvent>(&bytes);
            let _ = decode::<Job>(&bytes);
        }

        #[test]
        fn every_message_is_decoded_as_it_was_encoded(code in ".*", input in proptest::option::of(".*"), further_inputs in proptest::collection::vec(".*", 0..3), stdin in proptest::option::of(".*"), cpu in 0..u64::MAX) {
            let job = Job {
                task: Task::Run,
                language: Language::Python,
                code,
                input,
                further_inputs,
                invocation: Invocation {
                    stdin,
                    arguments: vec![String::new()],
                    entry_point: None,
                    collect: vec!["*.csv".to_owned()],
                    environment: vec![("NAME".to_owned(), String::new())],
                    tools: Some("[]".to_owned()),
                    shows_errors: cpu % 2 == 0,
                },
                auto_install: false,
                files: Vec::new(),
                limits: Limits { cpu: std::time::Duration::from_millis(cpu), ..Limits::default() },
                cell: Some(cpu),
                keep: false,
                randomness: crate::Randomness::default(),
            };
            prop_assert_eq!(decode::<Job>(&encode(&job)).unwrap(), job);
        }
    }
}
