//! Strings and lists of a guest that are read only as far as somebody wants them. The engine's own conversions copy all
//! that a guest names before a host function is asked, and check that a string is UTF-8, or make it that: with what a
//! guest can name, that takes longer than a hook may.
//!
//! A guest hands over either as a pair of a pointer and a length. The conversions here look at the length, and leave the
//! rest to the engine. They stand on parts of its interface that are open for its macros only, which may change with it.

use wasmtime::component::__internal::{CanonicalAbiInfo, InstanceType, InterfaceType, LiftContext};
use wasmtime::component::{ComponentType, Lift};
use wasmtime::{Result, ValRaw};

/// A string or a list. One of more than `MOST` units is not read: elements of a list, of a string the units of its
/// encoding, which have at least as many bytes as UTF-8.
pub(crate) enum Bounded<T, const MOST: usize> {
    Whole(T),
    /// So many units.
    TooLong(usize),
}

pub(crate) type BoundedText<const MOST: usize> = Bounded<String, MOST>;
pub(crate) type BoundedBytes<const MOST: usize> = Bounded<Vec<u8>, MOST>;

/// The beginning of a string, up to `MOST` units of its encoding.
pub(crate) struct TextHead<const MOST: usize>(pub(crate) String);

type PointerPair = [ValRaw; 2];

/// Set in the length of a string of the encoding `latin1+utf16` that is in UTF-16. Nothing else is as long.
const UTF16_TAG: u32 = 1 << 31;

/// Places to cut at of which one is not within a character.
const CUTS: u32 = 4;

// === impl Bounded ===

impl<T, const MOST: usize> Bounded<T, MOST> {
    /// All of it, or how long it is.
    pub(crate) fn whole(self) -> std::result::Result<T, usize> {
        match self {
            Self::Whole(whole) => Ok(whole),
            Self::TooLong(units) => Err(units),
        }
    }
}

// SAFETY: it is as `T`, whose implementation reads it.
#[expect(unsafe_code, reason = "the trait is unsafe to implement")]
unsafe impl<T, const MOST: usize> ComponentType for Bounded<T, MOST>
where
    T: ComponentType<Lower = PointerPair>,
{
    type Lower = PointerPair;

    const ABI: CanonicalAbiInfo = T::ABI;

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> Result<()> {
        T::typecheck(ty, types)
    }
}

// SAFETY: as above.
#[expect(unsafe_code, reason = "the trait is unsafe to implement")]
unsafe impl<T, const MOST: usize> Lift for Bounded<T, MOST>
where
    T: Lift + ComponentType<Lower = PointerPair>,
{
    fn linear_lift_from_flat(cx: &mut LiftContext<'_>, ty: InterfaceType, src: &PointerPair) -> Result<Self> {
        match units(src[1].get_u32()) {
            units if units > MOST => Ok(Self::TooLong(units)),
            _ => T::linear_lift_from_flat(cx, ty, src).map(Self::Whole),
        }
    }

    fn linear_lift_from_memory(cx: &mut LiftContext<'_>, ty: InterfaceType, bytes: &[u8]) -> Result<Self> {
        match units(word(bytes, 4)?) {
            units if units > MOST => Ok(Self::TooLong(units)),
            _ => T::linear_lift_from_memory(cx, ty, bytes).map(Self::Whole),
        }
    }
}

// === impl TextHead ===

// SAFETY: it is as a string, whose implementation reads it.
#[expect(unsafe_code, reason = "the trait is unsafe to implement")]
unsafe impl<const MOST: usize> ComponentType for TextHead<MOST> {
    type Lower = PointerPair;

    const ABI: CanonicalAbiInfo = <String as ComponentType>::ABI;

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> Result<()> {
        <String as ComponentType>::typecheck(ty, types)
    }
}

// SAFETY: as above; a part of what the guest names is read in the place of all.
#[expect(unsafe_code, reason = "the trait is unsafe to implement")]
unsafe impl<const MOST: usize> Lift for TextHead<MOST> {
    fn linear_lift_from_flat(cx: &mut LiftContext<'_>, ty: InterfaceType, src: &PointerPair) -> Result<Self> {
        let length = src[1].get_u32();
        if units(length) <= MOST {
            return String::linear_lift_from_flat(cx, ty, src).map(Self);
        }
        let most = u32::try_from(MOST)?;
        let mut head = |back: u32| {
            let length = (length & UTF16_TAG) | most.saturating_sub(back);
            String::linear_lift_from_flat(cx, ty, &[src[0], ValRaw::u32(length)])
        };
        head(0)
            .or_else(|error| (1..CUTS).find_map(|back| head(back).ok()).ok_or(error))
            .map(Self)
    }

    fn linear_lift_from_memory(cx: &mut LiftContext<'_>, ty: InterfaceType, bytes: &[u8]) -> Result<Self> {
        let pair = [ValRaw::u32(word(bytes, 0)?), ValRaw::u32(word(bytes, 4)?)];
        Self::linear_lift_from_flat(cx, ty, &pair)
    }
}

fn units(length: u32) -> usize {
    (length & !UTF16_TAG) as usize
}

/// The word at `offset`. Memories with longer addresses are off.
fn word(bytes: &[u8], offset: usize) -> Result<u32> {
    let word = bytes.get(offset..offset + 4).and_then(|bytes| bytes.try_into().ok());
    let word = word.ok_or_else(|| wasmtime::Error::msg("a string or list without its two words"))?;
    Ok(u32::from_le_bytes(word))
}
