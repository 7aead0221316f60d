//! Counters, gauges and histograms, with Envoy's rules of what may be done to which.

use std::collections::BTreeMap;

use crate::abi::Status;

const COUNTER: u32 = 0;
const GAUGE: u32 = 1;
const HISTOGRAM: u32 = 2;
const KIND_MASK: u32 = 3;

/// Metrics of all workers by name; ids carry the kind in their two low bits, as Envoy's do.
#[derive(Default)]
pub(crate) struct Metrics {
    entries: Vec<Metric>,
}

struct Metric {
    kind: u32,
    name: String,
    value: u64,
}

impl Metrics {
    /// The id of the metric of this kind and name, which is made if need be.
    pub(crate) fn define(&mut self, kind: u32, name: &[u8]) -> Result<u32, Status> {
        if kind > HISTOGRAM {
            return Err(Status::BadArgument);
        }
        let name = String::from_utf8_lossy(name).into_owned();
        let known = self.entries.iter().position(|m| m.kind == kind && m.name == name);
        let index = known.unwrap_or_else(|| {
            self.entries.push(Metric { kind, name, value: 0 });
            self.entries.len() - 1
        });
        Ok(((index as u32 + 1) << 2) | kind)
    }

    /// Counters only go up; a histogram cannot be incremented.
    pub(crate) fn increment(&mut self, id: u32, offset: i64) -> Result<(), Status> {
        let metric = self.entry(id)?;
        match metric.kind {
            COUNTER if offset <= 0 => Err(Status::BadArgument),
            HISTOGRAM => Err(Status::BadArgument),
            _ => {
                metric.value = metric.value.wrapping_add_signed(offset);
                Ok(())
            }
        }
    }

    /// Adds to a counter, sets a gauge, and counts one sample of a histogram.
    pub(crate) fn record(&mut self, id: u32, value: u64) -> Result<(), Status> {
        let metric = self.entry(id)?;
        metric.value = match metric.kind {
            GAUGE => value,
            COUNTER => metric.value.wrapping_add(value),
            _ => metric.value.wrapping_add(1),
        };
        Ok(())
    }

    /// The value of a counter or gauge; histograms cannot be read.
    pub(crate) fn value(&mut self, id: u32) -> Result<u64, Status> {
        match self.entry(id)? {
            Metric { kind: HISTOGRAM, .. } => Err(Status::BadArgument),
            metric => Ok(metric.value),
        }
    }

    /// Every value by name; of a histogram the number of samples.
    pub(crate) fn values(&self) -> BTreeMap<String, u64> {
        self.entries.iter().map(|metric| (metric.name.clone(), metric.value)).collect()
    }

    fn entry(&mut self, id: u32) -> Result<&mut Metric, Status> {
        let index = (id >> 2).checked_sub(1).ok_or(Status::NotFound)?;
        let metric = self.entries.get_mut(index as usize).ok_or(Status::NotFound)?;
        if metric.kind == id & KIND_MASK { Ok(metric) } else { Err(Status::NotFound) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_allows_what_envoy_allows() {
        let mut metrics = Metrics::default();
        let [counter, gauge, histogram] =
            [COUNTER, GAUGE, HISTOGRAM].map(|kind| metrics.define(kind, b"m").unwrap());
        assert_eq!(metrics.define(COUNTER, b"m"), Ok(counter), "same name, same metric");
        assert_eq!(metrics.increment(counter, 2), Ok(()));
        assert_eq!(metrics.increment(counter, 0), Err(Status::BadArgument));
        assert_eq!(metrics.increment(gauge, 5), Ok(()));
        assert_eq!(metrics.increment(gauge, -2), Ok(()));
        assert_eq!(metrics.increment(histogram, 1), Err(Status::BadArgument));
        assert_eq!(metrics.record(histogram, 100), Ok(()));
        assert_eq!(metrics.record(histogram, 50), Ok(()));
        assert_eq!(metrics.entries[2].value, 2, "samples are counted");
        assert_eq!(metrics.value(counter), Ok(2));
        assert_eq!(metrics.value(gauge), Ok(3));
        assert_eq!(metrics.value(histogram), Err(Status::BadArgument));
        assert_eq!(metrics.value(0), Err(Status::NotFound));
        assert_eq!(metrics.define(3, b"m"), Err(Status::BadArgument));
    }
}
