"""The pages of ``radcodec serve``: the list of a folder, and the viewer with its script."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from radcodec.limits import SERVED_NAMES
from radcodec.pages.html import page, text


def policy(nonce: str) -> str:
    """Say what the viewer may load: pictures and values of this server, and its own script."""
    loads = "default-src 'none'; img-src 'self' data:; connect-src 'self'; style-src 'unsafe-inline'"
    return f"{loads}; script-src 'nonce-{nonce}'"


def folder_page(parts: Sequence[str], entries: Sequence[tuple[str, bool, int]]) -> str:
    """Make the list of a folder; an entry is a name, whether it is a folder, and the bytes of its ``.rcz`` file."""
    title = "/".join(parts) or "FITS files"
    lines = ['<li><a href="../">..</a></li>'] if parts else []
    for name, is_folder, size_bytes in entries[:SERVED_NAMES]:
        link = quote(name)
        if is_folder:
            lines.append(f'<li><a href="{link}/">{text(name)}/</a></li>')
        else:
            lines.append(
                f'<li><a href="{link}/view">{text(name)}</a> <span class="note">{size_bytes:,} bytes compressed</span> '
                f'<a href="{link}">FITS</a> <a href="{link}/report">report</a></li>'
            )
    more = f"<p>and {len(entries) - SERVED_NAMES} more</p>" if len(entries) > SERVED_NAMES else ""
    listed = f"<ul>{''.join(lines)}</ul>{more}" if lines else "<p>no .rcz files here</p>"
    return page(title, f"<h1>{text(title)}</h1>{listed}")


def viewer_page(name: str, images: Sequence[Mapping[str, Any]], nonce: str) -> str:
    """Make the viewer of a file; its images have ``hdu``, ``name``, ``planes``, ``height`` and ``width``."""
    if not images:
        return page(name, f"<h1>{text(name)}</h1><p>no image with pixels</p>")
    # Inside of a script only </ and <! end it: JSON has no other way out.
    data = json.dumps(list(images)).replace("<", "\\u003c")
    options = "".join(
        f'<option value="{place}">HDU {image["hdu"]} {text(image["name"])}</option>'
        for place, image in enumerate(images)
    )
    body = (
        f"<h1>{text(name)}</h1>"
        f'<p class="controls"><label>image <select id="image">{options}</select></label> '
        '<label>plane <input id="plane" type="number" min="0" value="0"></label> '
        '<button id="in">zoom in</button> <button id="out">zoom out</button> <button id="all">all</button></p>'
        '<div class="frame"><img id="picture" class="picture" alt="the image"></div>'
        '<p id="place" class="note" aria-live="polite">click on a pixel for its value</p>'
        '<p><a id="cut" href="#">FITS file of this view</a> &middot; <a href="./">whole FITS file</a> &middot; '
        '<a href="report">report</a> &middot; <a href="../">folder</a></p>'
        f'<script nonce="{nonce}">const images={data};\n{_SCRIPT}</script>'
    )
    # "./" would be the name of the view's folder: the FITS file itself has no slash.
    body = body.replace('href="./"', f'href="../{quote(name)}"')
    return page(name, body, policy=policy(nonce), style=_STYLE)


_STYLE = """
.controls input{width:6em}
.frame{width:100%;max-width:48rem;background:#000;line-height:0;touch-action:manipulation}
.frame img{width:100%!important;cursor:crosshair;transform-origin:0 0}
button,select,input{font:inherit;padding:.15em .5em}
"""

_SCRIPT = """
const get=id=>document.getElementById(id);
const picture=get("picture"), place=get("place");
let view;
function image(){return images[get("image").value]}
function plane(){return Math.max(0,Math.min(image().planes-1,Math.floor(+get("plane").value)||0))}
function whole(){const i=image();return {x0:0,x1:i.width,y0:0,y1:i.height}}
function region(){return `${view.x0}:${view.x1},${view.y0}:${view.y1}`}
function isWhole(){const w=whole();return view.x0===0&&view.y0===0&&view.x1===w.x1&&view.y1===w.y1}
function common(){return `plane=${plane()}&hdu=${image().hdu}`}
function show(){
  const part=isWhole()?"":`&region=${region()}`;
  picture.src=`preview.png?${common()}&size=1024${part}`;
  const cube=image().planes>1?"":`&plane=${plane()}`;
  get("cut").href=`cutout?hdu=${image().hdu}${cube}&region=${region()}`;
}
function clampView(cx,cy,w,h){
  const i=image();
  w=Math.max(8,Math.min(i.width,Math.round(w)));h=Math.max(8,Math.min(i.height,Math.round(h)));
  w=Math.min(w,i.width);h=Math.min(h,i.height);
  const x0=Math.max(0,Math.min(i.width-w,Math.round(cx-w/2))),y0=Math.max(0,Math.min(i.height-h,Math.round(cy-h/2)));
  view={x0,x1:x0+w,y0,y1:y0+h};
}
function zoom(factor,cx,cy){
  const w=view.x1-view.x0,h=view.y1-view.y0;
  clampView(cx??(view.x0+view.x1)/2,cy??(view.y0+view.y1)/2,w*factor,h*factor);show();
}
function pixel(event){
  const box=picture.getBoundingClientRect();
  const x=view.x0+Math.floor((event.clientX-box.left)/box.width*(view.x1-view.x0));
  const y=view.y1-1-Math.floor((event.clientY-box.top)/box.height*(view.y1-view.y0));
  return {x:Math.max(view.x0,Math.min(view.x1-1,x)),y:Math.max(view.y0,Math.min(view.y1-1,y))};
}
picture.addEventListener("click",async event=>{
  const {x,y}=pixel(event);
  const answer=await fetch(`value?${common()}&x=${x}&y=${y}`);
  if(!answer.ok){place.textContent=await answer.text();return}
  const found=await answer.json();
  const world=found.world.map(axis=>`${axis.type} ${axis.value===null?"-":axis.value.toPrecision(10)} ${axis.unit}`);
  const value=found.value===null?"no value":`${found.value.toPrecision(7)} ${found.unit}`;
  place.textContent=[`x ${x}, y ${y}: ${value}`,...world].join("; ");
});
picture.addEventListener("wheel",event=>{
  event.preventDefault();const {x,y}=pixel(event);zoom(event.deltaY<0?0.5:2,x,y);
},{passive:false});
picture.addEventListener("dblclick",event=>{const {x,y}=pixel(event);zoom(0.5,x,y)});
picture.addEventListener("error",async()=>{
  const answer=await fetch(picture.src);if(!answer.ok)place.textContent=await answer.text();
});
get("in").addEventListener("click",()=>zoom(0.5));
get("out").addEventListener("click",()=>zoom(2));
get("all").addEventListener("click",()=>{view=whole();show()});
get("plane").addEventListener("change",show);
get("image").addEventListener("change",()=>{get("plane").value=0;view=whole();show()});
view=whole();show();
"""
