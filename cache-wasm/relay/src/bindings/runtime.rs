//! What std would bring to the module, at a tenth of its size: memory, and an end for panics.
//!
//! A panic traps: JavaScript sees a `RuntimeError`, as it did with std, which printed nothing either. Since no text of a
//! panic can come out, the linker drops them all.

use core::panic::PanicInfo;

use talc::wasm::{WasmDynamicTalc, new_wasm_dynamic_allocator};

#[global_allocator]
static MEMORY: WasmDynamicTalc = new_wasm_dynamic_allocator();

#[panic_handler]
fn trap(_: &PanicInfo) -> ! {
    core::arch::wasm32::unreachable()
}
