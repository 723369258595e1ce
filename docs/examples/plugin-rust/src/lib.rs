// SPDX-License-Identifier: Apache-2.0
//! A translator in Rust: it replaces each digit of a payload, so that numbers do not get out.
//!
//! What is particular to Rust:
//!  - A panic must not unwind into C: each callback is `guarded`, and a panic becomes a rejection.
//!  - What the gateway keeps for us (instance, context, payload) is a `Box` that goes over with
//!    `into_raw` and comes back, exactly once, with `from_raw`.
//!  - Several shards share one instance by `&Mask`, so it has to be `Sync`; what changes belongs
//!    in the context, of which each shard has its own, by `&mut Shard`.

mod abi;

use abi::*;
use std::{
    ffi::CStr,
    mem,
    os::raw::{c_char, c_int, c_void},
    panic::{catch_unwind, AssertUnwindSafe},
    ptr, slice,
};

const ENOMEM: c_int = 12;
const EINVAL: c_int = 22;

/// Filled by the gateway, by the offsets of OPTIONS.
#[repr(C)]
struct Settings {
    with: *const c_char,
}

/// One step of a route.
struct Mask {
    host: &'static MgHost, // lives longer than every instance
    instance: *mut MgInstance,
    with: u8,
}
// instance is a handle for count and log, which may be called from everywhere.
unsafe impl Sync for Mask {}

/// What one shard needs: the array of MG_REPLACE stays the module's until the next call.
struct Shard {
    out: [*mut MgEvent; 1],
}

/// The result of a body that may panic.
fn guarded<R>(panicked: R, body: impl FnOnce() -> R) -> R {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or(panicked)
}

fn say(err: &mut MgErr, text: &str) {
    let most = err.text.len() - 1;
    let length = text.len().min(most);
    for (to, from) in err.text.iter_mut().zip(&text.as_bytes()[..length]) {
        *to = *from as c_char;
    }
    err.text[length] = 0;
}

// ---- the work -------------------------------------------------------------------------------

/// None: there is no digit, so the event stays as it is.
fn masked(payload: &[u8], with: u8) -> Option<Vec<u8>> {
    payload.iter().any(u8::is_ascii_digit).then(|| {
        payload.iter().map(|&byte| if byte.is_ascii_digit() { with } else { byte }).collect()
    })
}

/// A draft of an event: freed, unless it was published.
struct Edit<'a> {
    host: &'a MgHost,
    edit: *mut MgEdit,
}

impl<'a> Edit<'a> {
    /// None, here and below: out of memory.
    fn of(host: &'a MgHost, event: *const MgEvent) -> Option<Self> {
        let edit = unsafe { (host.edit_new)(event) };
        (!edit.is_null()).then(|| Edit { host, edit })
    }

    /// The gateway takes the payload as it is, and gives it back to `drop_payload`.
    fn payload(self, payload: Vec<u8>) -> Option<Self> {
        let bytes = MgBytes { at: payload.as_ptr().cast(), len: payload.len() };
        let owner = Box::into_raw(Box::new(payload)).cast();
        let error =
            unsafe { (self.host.edit_payload)(self.edit, bytes, Some(drop_payload), owner) };
        if error != 0 {
            unsafe { drop_payload(owner) }; // it takes on success only
            return None;
        }
        Some(self)
    }

    fn publish(self) -> Option<*mut MgEvent> {
        let event = unsafe { (self.host.edit_publish)(self.edit) };
        mem::forget(self); // publish has consumed it, also where it failed
        (!event.is_null()).then(|| event)
    }
}

impl Drop for Edit<'_> {
    fn drop(&mut self) {
        unsafe { (self.host.edit_free)(self.edit) }
    }
}

unsafe extern "C" fn drop_payload(owner: *mut c_void) {
    drop(Box::from_raw(owner.cast::<Vec<u8>>()));
}

impl Mask {
    fn process(&self, shard: &mut Shard, call: &MgStepCall, result: &mut MgStepResult) -> u32 {
        let bytes = unsafe { (self.host.event_payload)(call.event) };
        let payload: &[u8] = if bytes.len == 0 {
            &[] // at may be NULL, which no slice can have
        } else {
            unsafe { slice::from_raw_parts(bytes.at.cast(), bytes.len) }
        };
        let new = match masked(payload, self.with) {
            Some(new) => new,
            None => return MG_PASS,
        };
        let event = Edit::of(self.host, call.event)
            .and_then(|edit| edit.payload(new))
            .and_then(Edit::publish);
        match event {
            Some(event) => {
                unsafe { (self.host.count)(self.instance, COUNT_MASKED, 1) };
                shard.out = [event];
                result.events = shard.out.as_ptr();
                result.count = 1;
                MG_REPLACE
            }
            None => {
                say(&mut result.err, "out of memory");
                MG_REJECT
            }
        }
    }
}

// ---- what the gateway calls -----------------------------------------------------------------

unsafe extern "C" fn check(settings: *const c_void, err: *mut MgErr) -> c_int {
    guarded(-EINVAL, || {
        let settings = &*settings.cast::<Settings>();
        if (*settings.with as u8).is_ascii_digit() {
            say(&mut *err, "a digit in place of a digit hides nothing: take another character");
            (*err).option = c!("with");
            return -EINVAL;
        }
        0
    })
}

unsafe extern "C" fn create(
    host: *const MgHost,
    instance: *mut MgInstance,
    settings: *const c_void,
    ret_self: *mut *mut c_void,
    _err: *mut MgErr,
) -> c_int {
    guarded(-ENOMEM, || {
        let with = CStr::from_ptr((*settings.cast::<Settings>()).with).to_bytes()[0];
        *ret_self = Box::into_raw(Box::new(Mask { host: &*host, instance, with })).cast();
        0
    })
}

unsafe extern "C" fn destroy(this: *mut c_void) {
    if !this.is_null() {
        guarded((), || drop(Box::from_raw(this.cast::<Mask>())));
    }
}

unsafe extern "C" fn shard_open(
    _this: *mut c_void,
    _shard: *mut MgShard,
    ret_context: *mut *mut c_void,
    _err: *mut MgErr,
) -> c_int {
    guarded(-ENOMEM, || {
        *ret_context = Box::into_raw(Box::new(Shard { out: [ptr::null_mut()] })).cast();
        0
    })
}

unsafe extern "C" fn shard_close(_this: *mut c_void, context: *mut c_void) {
    guarded((), || drop(Box::from_raw(context.cast::<Shard>())));
}

unsafe extern "C" fn process(
    this: *mut c_void,
    context: *mut c_void,
    call: *const MgStepCall,
    result: *mut MgStepResult,
) -> u32 {
    let verdict = guarded(None, || {
        let mask = &*this.cast::<Mask>();
        Some(mask.process(&mut *context.cast::<Shard>(), &*call, &mut *result))
    });
    verdict.unwrap_or_else(|| {
        say(&mut (*result).err, "the module panicked");
        MG_REJECT
    })
}

// ---- what the module is ---------------------------------------------------------------------

const COUNT_MASKED: u32 = 0;
static COUNTERS: Shared<[*const c_char; 2]> = Shared([c!("masked"), ptr::null()]);

const END: MgOption = MgOption {
    name: ptr::null(),
    value: ptr::null(),
    doc: ptr::null(),
    r#type: 0,
    flags: 0,
    least: 0,
    most: 0,
    choices: ptr::null(),
    inside: ptr::null(),
    inside_size: 0,
    offset: 0,
};

static OPTIONS: Shared<[MgOption; 2]> = Shared([
    MgOption {
        name: c!("with"),
        value: c!("\"#\""),
        doc: c!("What stands in place of a digit: one ASCII character."),
        r#type: MG_OPT_TEXT,
        least: 1,
        most: 1,
        offset: 0, // of Settings.with
        ..END
    },
    END,
]);

static LIFE: MgLife = MgLife {
    create,
    start: None,
    reload: None,
    drain: None,
    stop: None,
    destroy,
    shard_open: Some(shard_open),
    shard_close: Some(shard_close),
};

static OPS: MgStepOps = MgStepOps { size: mem::size_of::<MgStepOps>() as u32, process };

static MODULE: Shared<MgModule> = Shared(MgModule {
    abi: MgAbi {
        magic: MG_ABI_MAGIC,
        major: MG_ABI_MAJOR,
        minor: MG_ABI_MINOR,
        module_size: mem::size_of::<MgModule>() as u32,
        flags: 0,
        build: c!(concat!("mask ", env!("CARGO_PKG_VERSION"))),
    },
    kind: MG_TRANSLATOR,
    name: c!("mask"),
    version: c!(env!("CARGO_PKG_VERSION")),
    summary: c!("Replaces each digit of a payload."),
    options: &OPTIONS.0 as *const MgOption,
    source_options: ptr::null(),
    sink_options: ptr::null(),
    settings_size: mem::size_of::<Settings>(),
    source_settings_size: 0,
    sink_settings_size: 0,
    counters: &COUNTERS.0 as *const *const c_char,
    check: Some(check),
    life: &LIFE,
    ops: &OPS as *const MgStepOps as *const c_void,
});

/// The one exported symbol.
#[no_mangle]
pub extern "C" fn mg_module(_host_abi: *const MgAbi) -> *const MgModule {
    &MODULE.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_replaced_and_nothing_else() {
        assert_eq!(masked("21.5 °C".as_bytes(), b'#'), Some("##.# °C".as_bytes().to_vec()));
        assert_eq!(masked(b"none", b'#'), None);
        assert_eq!(masked(b"", b'#'), None);
    }

    #[test]
    fn a_panic_stays_inside() {
        assert_eq!(guarded(MG_REJECT, || panic!("on purpose")), MG_REJECT);
        assert_eq!(guarded(MG_REJECT, || MG_PASS), MG_PASS);
    }
}
