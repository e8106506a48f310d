set -e
cd /work/wt/sys; mkdir -p /tmp/g
n=$1; m=-m32; e=elf_i386; x="-march=i686 -fno-pic"
[ $n = long ] && { m=-m64; e=elf_x86_64; x="-mno-red-zone -fno-pic -mcmodel=small"; }
if [ $n = real ]; then gcc -m32 -c tests/guest/real.S -o /tmp/g/$n.boot.o; else
gcc $m $x -O1 -ffreestanding -fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables -mgeneral-regs-only -I. -c tests/guest/$n.c -o /tmp/g/$n.o
ld -m $e --no-warn-rwx-segments -T tests/guest/flat.ld -o /tmp/g/$n.elf /tmp/g/$n.o && objcopy -O binary /tmp/g/$n.elf /tmp/g/$n.pay
gcc -m32 -c -DPAYLOAD="\"/tmp/g/$n.pay\"" tests/guest/boot.S -o /tmp/g/$n.boot.o; fi
objcopy -O binary -j .text /tmp/g/$n.boot.o /tmp/g/$n.bin
