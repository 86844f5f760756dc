//! What a vCPU says of itself: KVM's supported set, with its own number and a topology of one
//! socket, cores without siblings.

use kvm_bindings::kvm_cpuid_entry2 as Leaf;

/// Leaf 1, ECX: the timer of the local APIC can be set by the time-stamp counter.
const TSC_DEADLINE: u32 = 1 << 24;
/// Leaf 1, ECX: runs under a hypervisor.
const HYPERVISOR: u32 = 1 << 31;
/// Leaf 1, EDX: more than one processor in the package.
const MANY: u32 = 1 << 28;
/// Adapts the supported leaves for vCPU `id` of `count`.
pub(super) fn adapt(leaves: &mut [Leaf], id: u8, count: u8) {
    let id = u32::from(id);
    let count = u32::from(count.max(1));
    // Bits of an APIC number that tell vCPUs of the socket apart.
    let bits = count.next_power_of_two().trailing_zeros();
    for leaf in leaves {
        match leaf.function {
            0x1 => {
                leaf.ecx |= TSC_DEADLINE | HYPERVISOR;
                leaf.ebx = leaf.ebx & 0xffff | count.min(0xff) << 16 | id << 24;
                leaf.edx = if count > 1 { leaf.edx | MANY } else { leaf.edx & !MANY };
            }
            // Caches: the last level is shared by all, the others by one. Cores in the package.
            0x4 if leaf.eax & 0x1f != 0 => {
                let level = leaf.eax >> 5 & 7;
                let sharing = if level >= 3 { (1 << bits) - 1 } else { 0 };
                leaf.eax = leaf.eax & 0x3fff | sharing << 14 | ((1 << bits) - 1).min(63) << 26;
            }
            0xb | 0x1f => {
                (leaf.eax, leaf.ebx, leaf.ecx) = match leaf.index {
                    // One thread in a core, all cores in one package, nothing above.
                    0 => (0, 1, 1 << 8),
                    1 => (bits, count, 2 << 8 | 1),
                    other => (0, 0, other & 0xff),
                };
                leaf.edx = id;
            }
            // AMD: number of cores and of bits, then one's own number; one thread in a core.
            0x8000_0008 => leaf.ecx = leaf.ecx & !0xf0ff | bits << 12 | (count - 1) & 0xff,
            0x8000_001e => (leaf.eax, leaf.ebx, leaf.ecx) = (id, id & 0xff, 0),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adapted(function: u32, index: u32, eax: u32, id: u8, count: u8) -> Leaf {
        let mut leaves = [Leaf { function, index, eax, ebx: 0x1234, ..Leaf::default() }];
        adapt(&mut leaves, id, count);
        leaves[0]
    }

    #[test]
    fn each_vcpu_has_its_number_everywhere() {
        for id in [0, 1, 253] {
            let number = u32::from(id);
            let first = adapted(1, 0, 0, id, 254);
            assert_eq!((first.ebx >> 24, first.ebx >> 16 & 0xff, first.ebx & 0xffff), (number, 254, 0x1234));
            assert_ne!(first.ecx & HYPERVISOR & TSC_DEADLINE.rotate_left(7), 0);
            assert_eq!(adapted(0xb, 0, 0, id, 254).edx, number);
            assert_eq!(adapted(0x1f, 1, 0, id, 254).edx, number);
            assert_eq!(adapted(0x8000_001e, 0, 0, id, 254).eax, number);
        }
    }

    #[test]
    fn the_topology_is_one_socket_of_single_cores() {
        let (threads, cores) = (adapted(0xb, 0, 0, 0, 6), adapted(0xb, 1, 0, 0, 6));
        assert_eq!((threads.eax, threads.ebx), (0, 1));
        assert_eq!((cores.eax, cores.ebx), (3, 6));
        assert_eq!(adapted(1, 0, 0, 0, 1).edx & MANY, 0);
        assert_eq!(adapted(0x8000_0008, 0, 0, 0, 6).ecx, 3 << 12 | 5);
        // The last level of cache is shared by all.
        assert_eq!(adapted(4, 3, 3 << 5 | 1, 0, 4).eax >> 14 & 0xfff, 3);
        assert_eq!(adapted(4, 0, 1 << 5 | 1, 0, 4).eax >> 14 & 0xfff, 0);
    }
}
