//! Functions of Python's hashlib that Pyodide lacks, since it has no OpenSSL.

use deno_core::convert::Uint8Array;
use deno_core::op2;
use deno_error::JsErrorBox;
use hmac::Hmac;

/// Longest key, in bytes: OpenSSL's own limit is higher, but nobody needs such keys.
const LONGEST_KEY: u32 = 1 << 20;

fn room_for(length: u32) -> Result<Vec<u8>, JsErrorBox> {
    if length > LONGEST_KEY {
        return Err(JsErrorBox::range_error(format!(
            "keys have at most {LONGEST_KEY} bytes"
        )));
    }
    Ok(vec![0; length as usize])
}

/// PBKDF2 with HMAC (RFC 8018), for the hash with that name in hashlib.
#[op2]
pub fn op_faas_pbkdf2(
    #[string] hash: &str,
    #[buffer] password: &[u8],
    #[buffer] salt: &[u8],
    rounds: u32,
    length: u32,
) -> Result<Uint8Array, JsErrorBox> {
    let mut key = room_for(length)?;
    let derive = match hash {
        "md5" => pbkdf2::pbkdf2::<Hmac<md5::Md5>>,
        "sha1" => pbkdf2::pbkdf2::<Hmac<sha1::Sha1>>,
        "sha224" => pbkdf2::pbkdf2::<Hmac<sha2::Sha224>>,
        "sha256" => pbkdf2::pbkdf2::<Hmac<sha2::Sha256>>,
        "sha384" => pbkdf2::pbkdf2::<Hmac<sha2::Sha384>>,
        "sha512" => pbkdf2::pbkdf2::<Hmac<sha2::Sha512>>,
        _ => {
            return Err(JsErrorBox::type_error(format!(
                "pbkdf2_hmac has no {hash} here; use sha256 or sha512"
            )));
        }
    };
    derive(password, salt, rounds, &mut key)
        .map_err(|error| JsErrorBox::generic(error.to_string()))?;
    Ok(key.into())
}

/// scrypt (RFC 7914). The caller has bounded the memory that it takes.
#[op2]
pub fn op_faas_scrypt(
    #[buffer] password: &[u8],
    #[buffer] salt: &[u8],
    n: u32,
    r: u32,
    p: u32,
    length: u32,
) -> Result<Uint8Array, JsErrorBox> {
    let mut key = room_for(length)?;
    let invalid = || JsErrorBox::range_error("invalid parameters of scrypt");
    if !n.is_power_of_two() {
        return Err(invalid());
    }
    let parameters = scrypt::Params::new(n.ilog2() as u8, r, p).map_err(|_| invalid())?;
    scrypt::scrypt(password, salt, &parameters, &mut key).map_err(|_| invalid())?;
    Ok(key.into())
}
