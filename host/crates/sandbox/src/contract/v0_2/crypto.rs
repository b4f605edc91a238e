//! The interface `crypto`: keys that live as long as the guest holds them, signatures and hashes.
//!
//! It is written by hand, not generated: messages are read where they lie in the guest's memory, after their length
//! was looked at, so that no call copies what it may not even read.

use sluicegate_contract::key_algorithm::KeyAlgorithm;
use sluicegate_contract::limits::{CRYPTO_MESSAGE_BYTES, KEY_BYTES, KEYS};
use sluicegate_crypto::{Key, KeyError};
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource, ResourceTable, ResourceType, WasmList};

use crate::bounded::{Bounded, BoundedBytes, BoundedText};
use crate::contract::{DRAFT, PACKAGE};
use crate::fault::Misuse;
use crate::host_call::{define, define_in_store};
use crate::state::StoreData;

/// Bytes of an algorithm's name that are read; none is longer.
const NAME_BYTES: usize = 16;

type KeyAlgorithmName = BoundedText<NAME_BYTES>;
type KeyText = BoundedText<KEY_BYTES>;

/// What making a key answers: the key, or why there is none.
type MadeKey = (Result<Resource<Key>, String>,);

/// The keys of one instance.
pub(crate) struct KeyTable(ResourceTable);

impl Default for KeyTable {
    fn default() -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(KEYS);
        Self(table)
    }
}

impl KeyTable {
    fn insert(&mut self, key: Key) -> Result<Resource<Key>, String> {
        let full = |_| format!("an instance holds at most {KEYS} keys; drop one first");
        self.0.push(key).map_err(full)
    }
}

pub(super) fn add_to_linker(linker: &mut Linker<StoreData>) -> wasmtime::Result<()> {
    let mut crypto = linker.instance(&format!("{PACKAGE}/crypto@{DRAFT}"))?;
    crypto.resource("key", ResourceType::host::<Key>(), |mut store, key| {
        store.data_mut().keys.0.delete(Resource::<Key>::new_own(key))?;
        Ok(())
    })?;
    define(
        &mut crypto,
        "[static]key.from-jwk",
        |state, (text, name): (KeyText, KeyAlgorithmName)| {
            Ok(made(state, text, name, |text, algorithm| {
                Key::from_jwk(&text, algorithm)
            }))
        },
    )?;
    define(
        &mut crypto,
        "[static]key.from-pem",
        |state, (text, name): (KeyText, KeyAlgorithmName)| {
            Ok(made(state, text, name, |text, algorithm| {
                Key::from_pem(&text, algorithm)
            }))
        },
    )?;
    define(
        &mut crypto,
        "[static]key.from-bytes",
        |state, (bytes, name): (BoundedBytes<KEY_BYTES>, KeyAlgorithmName)| {
            Ok(made(state, bytes, name, |bytes, algorithm| {
                Key::from_bytes(&bytes, algorithm)
            }))
        },
    )?;
    define_in_store(&mut crypto, "[method]key.verify", verify)?;
    define_in_store(&mut crypto, "sha256", sha256)?;
    define_in_store(&mut crypto, "hmac-sha256", hmac_sha256)
}

/// A key of what the guest handed over, or an error for it to read.
fn made<T>(
    state: &mut StoreData,
    from: Bounded<T, KEY_BYTES>,
    name: KeyAlgorithmName,
    make: impl FnOnce(T, KeyAlgorithm) -> Result<Key, KeyError>,
) -> MadeKey {
    let key = named(name).and_then(|algorithm| {
        let key = from.whole().map_err(KeyError::Length);
        let key = key.and_then(|from| make(from, algorithm));
        key.map_err(|error| error.to_string())
    });
    (key.and_then(|key| state.keys.insert(key)),)
}

fn named(name: KeyAlgorithmName) -> Result<KeyAlgorithm, String> {
    let algorithm = name.whole().ok().and_then(|name| KeyAlgorithm::named(&name));
    algorithm.ok_or_else(|| {
        let known = KeyAlgorithm::ALL.map(KeyAlgorithm::name).join(", ");
        format!("this algorithm is not known here; there are {known}")
    })
}

fn verify(
    store: &mut StoreContextMut<'_, StoreData>,
    (key, message, signature): (Resource<Key>, WasmList<u8>, WasmList<u8>),
) -> wasmtime::Result<(bool,)> {
    charge(store, &message)?;
    let key = store.data().keys.0.get(&key)?;
    Ok((key.verify(message.as_le_slice(&*store), signature.as_le_slice(&*store)),))
}

fn sha256(store: &mut StoreContextMut<'_, StoreData>, (data,): (WasmList<u8>,)) -> wasmtime::Result<(Vec<u8>,)> {
    charge(store, &data)?;
    let digest = sluicegate_crypto::sha256(data.as_le_slice(&*store));
    Ok((digest.to_vec(),))
}

fn hmac_sha256(
    store: &mut StoreContextMut<'_, StoreData>,
    (secret, data): (WasmList<u8>, WasmList<u8>),
) -> wasmtime::Result<(Vec<u8>,)> {
    let found = secret.len();
    if found > KEY_BYTES {
        return Err(Misuse::new(format!("a secret has at most {KEY_BYTES} bytes, not {found}")).into());
    }
    charge(store, &data)?;
    let tag = sluicegate_crypto::hmac_sha256(secret.as_le_slice(&*store), data.as_le_slice(&*store));
    Ok((tag.to_vec(),))
}

/// Looks at the length of what a call is to read. The time that it then takes is looked at when the call returns, as with
/// all host calls.
fn charge(store: &mut StoreContextMut<'_, StoreData>, message: &WasmList<u8>) -> wasmtime::Result<()> {
    let found = message.len();
    if found > CRYPTO_MESSAGE_BYTES {
        let what = format!("crypto looks at {CRYPTO_MESSAGE_BYTES} bytes at most in a call, not {found}");
        return Err(Misuse::new(what).into());
    }
    Ok(store.data_mut().call.time.charge(found)?)
}
