"""Commands for gdb that show the tasks of a running corelayd, or of its core file.

    (gdb) source scripts/tasks-gdb.py
    (gdb) corelay-tasks             every task: id, state, name, and where it waits for what
    (gdb) corelay-bt 17             the back-trace of task 17, wherever it is parked
    (gdb) corelay-bt all
    (gdb) corelay-select 17         frames of task 17 for `up`, `frame 3`, `info locals`; without a number: back

A parked task's registers lie on its stack, at coro.context.sp; an unwinder makes them the caller of the thread's
newest frame, which therefore stays visible as frame 0.

The stack of a task that is asleep is not there: what it holds was set aside. In a live process the script writes it back
to its place, as the task's wake will do again; nothing else in the process is changed. A core file cannot be written:
there the back-trace is every word of what was set aside that looks like a return address, without arguments.
"""

import gdb
import gdb.unwinder

WORD_BYTES = 8

# Which word at the saved stack pointer holds which register, and how many words the switch takes off the stack:
# see daemon/coro/switch_*.S. On aarch64 the upper bits of a return address may be its signature.
LAYOUTS = {
    "i386:x86-64": {
        "words": 8,
        "sp": "rsp",
        "pc": "rip",
        "address_bits": 64,
        "registers": {"r15": 1, "r14": 2, "r13": 3, "r12": 4, "rbx": 5, "rbp": 6, "rip": 7},
    },
    "aarch64": {
        "words": 22,
        "sp": "sp",
        "pc": "pc",
        "address_bits": 48,
        "registers": {**{f"x{19 + i}": 8 + i for i in range(12)}, "pc": 19},
    },
}


class Missing(gdb.GdbError):
    """Said to the user without a Python trace."""


# -- tasks ------------------------------------------------------------------------------------------------------


def need_process():
    if gdb.selected_thread() is None:
        raise Missing("there is no process and no core file")


def tasks():
    """Every live task, oldest first."""
    try:
        head = gdb.parse_and_eval("&'daemon/runtime/task.c'::pool.all")
    except gdb.error:
        try:
            head = gdb.parse_and_eval("&'task.c'::pool.all")
        except gdb.error as error:
            raise Missing(f"the list of tasks was not found, is this corelayd with debugging symbols? ({error})")
    task_type = gdb.lookup_type("struct task")
    offset = next(field.bitpos // 8 for field in task_type.fields() if field.name == "all_node")
    node = head["next"]
    while node != 0 and node != head:
        address = int(node) - offset
        yield gdb.Value(address).cast(task_type.pointer()).dereference()
        node = node["next"]


def find_task(number):
    for task in tasks():
        if int(task["id"]) == number:
            return task
    raise Missing(f"there is no task {number}")


def state_of(task):
    return str(task["state"]).replace("TASK_", "").lower()


def text_of(pointer):
    return pointer.string(errors="replace") if pointer != 0 else "?"


def title_of(task):
    return f"task {int(task['id'])} '{task['name'].string(errors='replace')}' {state_of(task)}"


def place_of(task):
    """What it waits for, and the call and line it does so in."""
    state = state_of(task)
    site = task["spawn_site"] if state == "new" else task["wait_site"]
    words = f" for {text_of(task['wait_what'])}" if state == "waiting" else ""
    if state in ("new", "ready", "waiting") and site != 0:
        words += f" in {text_of(site['call'])} at {text_of(site['file'])}:{int(site['line'])}"
    return words


# -- frames -----------------------------------------------------------------------------------------------------


def has_run(task):
    return str(task["coro"]["state"]) != "CORO_NEW"


def is_asleep(task):
    return str(task["coro"]["state"]) == "CORO_ASLEEP"


def layout_of(task):
    """Where the registers of a parked task lie."""
    context = task["coro"]["context"]
    if any(field.name == "machine" for field in context.type.fields()):
        raise Missing("this corelayd switches by ucontext (--with-coro=ucontext), which parks registers elsewhere:"
                      " build it with --with-coro=asm to see parked tasks")
    name = gdb.selected_inferior().architecture().name()
    if name not in LAYOUTS:
        raise Missing(f"where the switch puts registers on {name} is not known")
    return LAYOUTS[name]


class Memory:
    """The process's memory from an address on, as bytes."""

    def __init__(self, address):
        self.address = address

    def __getitem__(self, where):
        if isinstance(where, int):
            where = slice(where, where + 1)
            return self[where][0]
        memory = gdb.selected_inferior().read_memory(self.address + where.start, where.stop - where.start)
        return bytes(memory)


def unpack(packed, anchors, count):
    """The words that daemon/coro/pack.h has packed."""
    words, at = [], 0
    while len(words) < count:
        how = packed[at]
        size = how & 15
        difference = int.from_bytes(packed[at + 1:at + 1 + size], "little", signed=True) if size else 0
        words += [0] * (how >> 6)
        words.append((anchors[how >> 4 & 3] + difference) % 2**64)
        at += 1 + size
    return words


def set_aside(task):
    """The live bytes of a stack that is asleep, and the address that they belong to."""
    coro = task["coro"]
    address = int(coro["context"]["sp"])
    count = int(coro["aside_bytes"]) // WORD_BYTES
    anchors = [0, address, int(gdb.parse_and_eval("&aside_new")), int(coro.address)]
    words = unpack(Memory(int(coro["aside"])), anchors, count)
    return b"".join(word.to_bytes(WORD_BYTES, "little") for word in words), address


def can_write_back(task):
    """Whether the stack of a sleeping task is readable now. No core file can be written."""
    live, address = set_aside(task)
    try:
        gdb.selected_inferior().write_memory(address, live)
    except gdb.error:
        return False
    return True


def saved_registers(task):
    """The registers of a parked task, by name."""
    layout = layout_of(task)
    if is_asleep(task) and not can_write_back(task):
        raise Missing("is asleep, and its stack cannot be written back here: corelay-bt shows its frames")
    sp = int(task["coro"]["context"]["sp"])
    words = gdb.Value(sp).cast(gdb.lookup_type("unsigned long").pointer())
    registers = {register: words[index] for register, index in layout["registers"].items()}
    if registers[layout["pc"]] == 0:
        raise Missing("the stack is not in this core file: gcore leaves out what lies beside a guard,"
                      " the kernel (kill -QUIT) does not")
    registers[layout["sp"]] = gdb.Value(sp + layout["words"] * WORD_BYTES).cast(gdb.lookup_type("unsigned long"))
    return registers, sp, layout["pc"]


def is_code(address):
    """Whether the program has a call just before."""
    try:
        return gdb.block_for_pc(address - 1) is not None
    except (gdb.error, RuntimeError):
        return False


def return_addresses(task):
    """Where the calls on a sleeping stack go on, newest first: all words that could be one, the code having no frame
    pointers. Among them may be one of a call that has returned already."""
    layout = layout_of(task)
    live, sp = set_aside(task)
    mask = (1 << layout["address_bits"]) - 1
    for at in range(layout["registers"][layout["pc"]] * WORD_BYTES, len(live), WORD_BYTES):
        word = int.from_bytes(live[at:at + WORD_BYTES], "little") & mask
        if is_code(word):
            yield word


def functions_at(pc):
    """The functions around an instruction, what was inlined first."""
    names = []
    block = gdb.block_for_pc(pc)
    while block is not None and not block.is_static and not block.is_global:
        if block.function is not None:
            names.append(block.function.print_name)
        block = block.superblock
    return names or [gdb.execute(f"info symbol {pc}", to_string=True).split(" ")[0]]


def show_set_aside(task):
    number = 1
    for pc in return_addresses(task):
        # The call is before the address that it returns to.
        line = gdb.find_pc_line(pc - 1)
        place = f" at {line.symtab.filename}:{line.line}" if line.symtab else ""
        for name in functions_at(pc - 1):
            print(f"#{number:<3} 0x{pc:016x} in {name} (){place}")
            place = ""
            number += 1


class FrameId:
    """What gdb tells frames apart by: the stack grows from here on, so older frames lie above."""

    def __init__(self, sp, pc):
        self.sp = sp
        self.pc = pc


class ParkedTask(gdb.unwinder.Unwinder):
    """While a task is chosen, makes its frames the callers of the newest frame of the thread."""

    def __init__(self):
        super().__init__("corelay-parked-task")
        self.chosen = None

    def choose(self, task):
        self.chosen = saved_registers(task) if task is not None else None
        gdb.invalidate_cached_frames()

    def __call__(self, pending):
        if self.chosen is None or pending.level() != 0:
            return None
        registers, sp, pc = self.chosen
        info = pending.create_unwind_info(FrameId(gdb.Value(sp), pending.read_register(pc)))
        for register, value in registers.items():
            info.add_saved_register(register, value)
        return info


unwinder = ParkedTask()
gdb.unwinder.register_unwinder(None, unwinder, replace=True)


def runs_here(task):
    """Whether the selected thread is on the running task's own stack, and not on the main stack for it."""
    frame = gdb.newest_frame()
    while frame is not None:
        if frame.name() == "task_main":
            return True
        frame = frame.older()
    return False


def show_backtrace(task):
    print(title_of(task) + place_of(task))
    if not has_run(task):
        print("    has not run yet")
        return
    if state_of(task) == "running" and runs_here(task):
        gdb.execute("backtrace")
        return
    try:
        if is_asleep(task) and not can_write_back(task):
            print("    is asleep:")
            show_set_aside(task)
            return
        unwinder.choose(task)
        # The first entry is where the thread really is.
        entries = gdb.execute("backtrace", to_string=True)
        print(entries[entries.find("\n#1 ") + 1:].rstrip())
    except Missing as reason:
        print(f"    {reason}")
    finally:
        unwinder.choose(None)


def select_scheduler():
    """Tasks run on the first thread only."""
    need_process()
    for thread in gdb.selected_inferior().threads():
        if thread.num == 1:
            thread.switch()


# -- commands ---------------------------------------------------------------------------------------------------


class Tasks(gdb.Command):
    """List all tasks: id, state, name, and what they wait for, with file and line."""

    def __init__(self):
        super().__init__("corelay-tasks", gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        need_process()
        count = 0
        for task in tasks():
            print(title_of(task) + place_of(task))
            count += 1
        print("1 task" if count == 1 else f"{count} tasks")


class Backtrace(gdb.Command):
    """Show the back-trace of a task, or of all: corelay-bt ID, corelay-bt all."""

    def __init__(self):
        super().__init__("corelay-bt", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        if argument != "all" and not argument.isdecimal():
            raise Missing("usage: corelay-bt ID, or corelay-bt all")
        before = gdb.selected_thread()
        select_scheduler()
        unwinder.choose(None)
        try:
            for task in tasks() if argument == "all" else [find_task(int(argument))]:
                show_backtrace(task)
                if argument == "all":
                    print()
        finally:
            before.switch()


class Select(gdb.Command):
    """Make the frames of a parked task the current ones: corelay-select ID. Without ID: those of the thread."""

    def __init__(self):
        super().__init__("corelay-select", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        if argument and not argument.isdecimal():
            raise Missing("usage: corelay-select [ID]")
        select_scheduler()
        unwinder.choose(None)
        if not argument:
            return
        task = find_task(int(argument))
        print(title_of(task) + place_of(task))
        if has_run(task) and state_of(task) != "running":
            unwinder.choose(task)
            gdb.execute("frame 1")
        else:
            print("    is not parked")


def forget(_):
    """What was chosen is no longer there once the process goes on."""
    unwinder.chosen = None


gdb.events.cont.connect(forget)
Tasks()
Backtrace()
Select()
