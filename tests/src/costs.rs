//! What callbacks cost, for reading: summed up by callback and, within, by host call.

use mcp_harness::{Crossing, HostCall};
use serde_json::{Value, json};

/// What one callback cost, each time it was made together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Costs {
    /// Its name.
    pub callback: &'static str,
    /// How often it was made.
    pub times: usize,
    /// WebAssembly instructions.
    pub instructions: u64,
    /// How often the host asked the guest's allocator for memory.
    pub host_allocations: usize,
    /// The host calls it made, in the order in which they were first made.
    pub calls: Vec<Calls>,
}

/// What one host call of a callback copied, each time it was made together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calls {
    /// Its name.
    pub name: &'static str,
    /// How often it was made.
    pub times: usize,
    /// Bytes copied out of the guest.
    pub from_guest: usize,
    /// Bytes copied into the guest.
    pub to_guest: usize,
}

impl Costs {
    /// By callback, in the order in which they were first made.
    pub fn of(crossings: &[Crossing], calls: &[HostCall]) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for (crossing, calls) in Crossing::with_calls(crossings, calls) {
            let callback = crossing.callback;
            let place = all.iter().position(|costs| costs.callback == callback);
            let place = place.unwrap_or_else(|| {
                let (times, instructions, host_allocations) = (0, 0, 0);
                let calls = Vec::new();
                all.push(Self { callback, times, instructions, host_allocations, calls });
                all.len() - 1
            });
            let costs = &mut all[place];
            costs.times += 1;
            costs.instructions += crossing.instructions;
            costs.host_allocations += crossing.host_allocations;
            calls.iter().for_each(|call| costs.add(call));
        }
        all
    }

    fn add(&mut self, HostCall { name, copied, .. }: &HostCall) {
        let place = self.calls.iter().position(|calls| calls.name == *name);
        let place = place.unwrap_or_else(|| {
            self.calls.push(Calls { name, times: 0, from_guest: 0, to_guest: 0 });
            self.calls.len() - 1
        });
        let calls = &mut self.calls[place];
        calls.times += 1;
        calls.from_guest += copied.from_guest;
        calls.to_guest += copied.to_guest;
    }

    fn host_calls(&self) -> usize {
        self.calls.iter().map(|calls| calls.times).sum()
    }

    /// As JSON.
    pub fn to_json(&self) -> Value {
        let call = |calls: &Calls| json!({"call": calls.name, "times": calls.times, "bytes_from_guest": calls.from_guest, "bytes_to_guest": calls.to_guest});
        json!({
            "callback": self.callback,
            "times": self.times,
            "instructions": self.instructions,
            "host_allocations": self.host_allocations,
            "host_calls": self.calls.iter().map(call).collect::<Vec<_>>(),
        })
    }
}

/// The sum over callbacks, as JSON.
pub fn total(costs: &[Costs]) -> Value {
    let copied = |of: fn(&Calls) -> usize| -> usize {
        costs.iter().flat_map(|costs| &costs.calls).map(of).sum()
    };
    json!({
        "callbacks": costs.iter().map(|costs| costs.times).sum::<usize>(),
        "instructions": instructions(costs),
        "host_calls": costs.iter().map(Costs::host_calls).sum::<usize>(),
        "host_allocations": costs.iter().map(|costs| costs.host_allocations).sum::<usize>(),
        "bytes_from_guest": copied(|calls| calls.from_guest),
        "bytes_to_guest": copied(|calls| calls.to_guest),
    })
}

/// Instructions over callbacks.
pub fn instructions(costs: &[Costs]) -> u64 {
    costs.iter().map(|costs| costs.instructions).sum()
}
