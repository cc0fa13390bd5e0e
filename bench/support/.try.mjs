import { openArena } from "/work/main/bench/support/arena.mjs";
const MIB=2**20;
const lines = process.argv[2]==="shaped" ? {storage:{roundTripMs:50,perConnection:5e6,total:40e6},coordinator:{roundTripMs:50}} : {};
const size=Number(process.argv[3]??64)*MIB;
const only=process.argv[4]?.split(",");
const arena = await openArena(lines);
try {
  const files = await arena.files(1,size);
  const big=()=>true;
  const all={
   ours:{page:"ours",settings:{integrity:"crc64nvme"}},
   oursoff:{page:"ours",settings:{integrity:"none"}},
   floor:{page:"floor",settings:{partSize:16*MIB}},
   uppy5:{page:"uppy5",settings:{partSize:16*MIB,multipart:true,limit:6}},
   uppy6:{page:"uppy6",settings:{partSize:16*MIB,multipart:true,limit:6}},
   bu:{page:"better-upload",settings:{route:"parts16"}},
   lib:{page:"lib-storage",settings:{partSize:8*MIB,filesAtOnce:1}},
  };
  for (const [n,c] of Object.entries(all)) { if(only&&!only.includes(n)) continue;
    try { const t=Date.now(); const r=await arena.run(c,files,{timeoutMs:120000}); console.log(n, r, (size/1e6/r.seconds).toFixed(1)+" MB/s", Date.now()-t, "ms in all"); } catch(e){ console.log(n,"FAILED",e.message); } }
} finally { await arena.close(); }
process.exit(0)
